"""The FROM clause, as it grows with what the columns need."""

import re
from dataclasses import dataclass, field

from localhost.services.model.schema import Schema
from localhost.services.model.sql.literals import literal
from localhost.services.model.vocabulary import Ref
from shared.catalog import Subject


@dataclass(slots=True)
class Source:
    """A base table, what is joined to it, and the conditions on its rows."""

    schema: Schema
    base: str
    joins: list[str] = field(default_factory=list[str])
    where: list[str] = field(default_factory=list[str])
    tables: set[str] = field(default_factory=set[str])
    views: list[str] = field(default_factory=list[str])
    exploded: dict[Ref, str] = field(default_factory=dict[Ref, str])
    aliases: dict[str, str] = field(default_factory=dict[str, str])

    def full(self, table: str) -> str:
        return f"{self.schema.dataset.namespace}.{table}"

    def reach(self, table: str) -> None:
        """Join ``table``, of which a row of the base meets at most one."""
        if table == self.base or table in self.tables:
            return
        for step in self.schema.path(self.base, table) or []:
            if step.right.table != self.base and step.right.table not in self.tables:
                self.tables.add(step.right.table)
                self.joins.append(f"LEFT JOIN {self.full(step.right.table)} ON {step.right} = {step.left}")

    def reach_subject(self, subject: Subject, *, outer: bool = False) -> str:
        """Join the table that names ``subject``, through the one that ties it; return what it is called here."""
        if not subject.via:
            self.reach(subject.table)
            return subject.table
        if subject.name in self.aliases:
            return self.aliases[subject.name]
        twice = len(self.aliases) + 1
        via, own = (
            (subject.via, subject.table) if twice == 1 else (f"{subject.via}_{twice}", f"{subject.table}_{twice}")
        )
        steps = self.schema.path(self.base, subject.via) or []
        onward = self.schema.path(subject.via, subject.table) or []
        kind = "LEFT JOIN" if outer else "JOIN"
        for step in [*steps, *onward]:
            name = {subject.via: via, subject.table: own}.get(step.right.table, step.right.table)
            left = {subject.via: via, subject.table: own}.get(step.left.table, step.left.table)
            renamed = f" AS {name}" if name != step.right.table else ""
            test = f"{name}.{step.right.column} = {left}.{step.left.column}"
            if step.right.table == subject.via and subject.filter and outer:
                test += f" AND {_renamed(subject.filter, subject.via, via)}"
            self.joins.append(f"{kind} {self.full(step.right.table)}{renamed} ON {test}")
        if subject.filter and not outer:
            self.where.append(_renamed(subject.filter, subject.via, via))
        self.aliases[subject.name] = own
        return own

    def explode(self, ref: Ref, name: str, separator: str) -> str:
        """Make a row of each item of the list column; return what the item is called."""
        if ref not in self.exploded:
            self.reach(ref.table)
            view = f"list_{len(self.views) + 1}"
            self.views.append(f"LATERAL VIEW explode(split({ref}, {literal(separator)})) {view} AS {name}")
            self.exploded[ref] = name
        return self.exploded[ref]

    def text(self) -> str:
        return " ".join([f"FROM {self.full(self.base)}", *self.joins, *self.views, *self._where()])

    def _where(self) -> list[str]:
        return [f"WHERE {' AND '.join(dict.fromkeys(self.where))}"] if self.where else []


def _renamed(text: str, table: str, name: str) -> str:
    return re.sub(rf"\b{table}\.", f"{name}.", text)
