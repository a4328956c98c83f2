"""What the reader and the SQL builder need to know of a dataset beyond its words."""

from collections import deque
from dataclasses import dataclass

from localhost.services.model.vocabulary import Ref
from shared.catalog import Column, Dataset, Subject


@dataclass(frozen=True, slots=True)
class Step:
    """One join on the way from a table to another. ``fans_out`` where it can multiply rows."""

    left: Ref
    right: Ref
    fans_out: bool


class Schema:
    """Subjects, columns and join paths of one dataset."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._subjects = {subject.name: subject for subject in dataset.subjects}
        self._columns = {Ref(t.name, c.name): c for t in dataset.tables for c in t.columns}
        self._steps: dict[str, list[Step]] = {table.name: [] for table in dataset.tables}
        for join in dataset.joins:
            left, right = Ref(*join.left.split(".")), Ref(*join.right.split("."))
            self._steps[left.table].append(Step(left, right, join.kind in {"one_to_many", "many_to_many"}))
            self._steps[right.table].append(Step(right, left, join.kind in {"many_to_one", "many_to_many"}))

    def subject(self, name: str) -> Subject:
        """Return the subject called ``name``."""
        return self._subjects[name]

    def column(self, ref: Ref) -> Column:
        """Return the column behind ``ref``."""
        return self._columns[ref]

    def columns(self, table: str) -> list[Ref]:
        """Return the columns of ``table``, in order."""
        return [ref for ref in self._columns if ref.table == table]

    def label(self, subject: Subject) -> Ref:
        """Return the column that names one of ``subject``."""
        return Ref(subject.table, subject.label)

    def key(self, table: str) -> Ref:
        """Return the column that tells the rows of ``table`` apart."""
        keys = [ref for ref in self.columns(table) if self._columns[ref].role == "key"]
        return keys[0] if keys else self.columns(table)[0]

    def rows_table(self, subject: Subject) -> str:
        """Return the table whose rows say where ``subject`` takes part: `via`, or its own."""
        return subject.via or subject.table

    def path(self, start: str, end: str) -> list[Step] | None:
        """Return the shortest chain of joins from one table to another, or None."""
        seen = {start}
        queue = deque[tuple[str, list[Step]]]([(start, [])])
        while queue:
            table, steps = queue.popleft()
            if table == end:
                return steps
            for step in self._steps[table]:
                if step.right.table not in seen:
                    seen.add(step.right.table)
                    queue.append((step.right.table, [*steps, step]))
        return None

    def one_row_path(self, start: str, end: str) -> bool:
        """Whether a row of ``start`` meets at most one row of ``end``."""
        steps = self.path(start, end)
        return steps is not None and not any(step.fans_out for step in steps)

    def time_of(self, subject: Subject) -> Ref | None:
        """Return the time column that dates one of ``subject``, or None."""
        tables = [subject.table, *(table.name for table in self.dataset.tables)]
        for table in tables:
            if not self.one_row_path(subject.table, table):
                continue
            for ref in self.columns(table):
                if self._columns[ref].role == "time":
                    return ref
        return None

    def rank_of(self, subject: Subject) -> Ref | None:
        """Return what one of ``subject`` is ranked by when nothing is said, or None."""
        return Ref(*subject.rank.split(".")) if subject.rank else None

    def counted(self) -> Subject:
        """Return the subject that a question is about when it names none: the first."""
        return self.dataset.subjects[0]

    def subject_of(self, ref: Ref) -> Subject:
        """Return the first subject whose rows carry ``ref``."""
        for subject in self.dataset.subjects:
            if self.one_row_path(subject.table, ref.table) and not subject.via:
                return subject
        return self.counted()
