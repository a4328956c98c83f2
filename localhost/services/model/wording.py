"""Put the result of queries into one to three plain sentences, with no figure that is not in it."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localhost.services.model.sentences import TEXTS
from shared.catalog import Language

_LONGEST_VALUE = 80
_NAMED = 3
_NUMBERS = re.compile(r"INT|LONG|DOUBLE|FLOAT|DECIMAL|SHORT|BYTE|NUMERIC|REAL", re.IGNORECASE)
_PERIODS = frozenset({"year", "decade", "month", "año", "década", "mes"})
_COUNTS: dict[Language, str] = {"en": "number of ", "es": "número de "}
_UNITS: dict[Language, str] = {"en": " in ", "es": " en "}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one query found, as the tool message has it, with the statement."""

    columns: Sequence[str]
    numeric: Sequence[bool]
    rows: Sequence[Sequence[Any]]
    row_count: int
    truncated: bool
    aggregates: Mapping[str, Mapping[str, Any]]
    sql: str = ""

    @classmethod
    def read(cls, content: str, sql: str) -> "Finding":
        """Read a tool message; whatever is missing is taken as empty."""
        found: dict[str, Any] = json.loads(content)
        columns: list[dict[str, Any]] = found.get("columns") or []
        rows: list[list[Any]] = found.get("rows") or []
        return cls(
            [str(column.get("name", "")) for column in columns],
            [bool(_NUMBERS.search(str(column.get("type", "")))) for column in columns],
            rows,
            int(found.get("row_count", len(rows))),
            bool(found.get("truncated")),
            found.get("aggregates") or {},
            sql.replace("`", ""),
        )


def describe(findings: Sequence[Finding], language: Language) -> str:
    """Return the answer to a question from what its queries found."""
    full = [finding for finding in findings if finding.row_count and not _all_null(finding)]
    if not full:
        return _nothing(findings, language)
    return " ".join(_Sentence(finding, language).text() for finding in full)


def _all_null(finding: Finding) -> bool:
    return all(value is None for row in finding.rows for value in row)


def _nothing(findings: Sequence[Finding], language: Language) -> str:
    texts = TEXTS[language]
    if any(finding.row_count for finding in findings):
        return texts["empty"]
    for finding in findings:
        if name := re.search(r"LIKE '% ?([^%']{2,60}?) ?%'", finding.sql):
            return texts["spelling"].format(name=name.group(1))
    return texts["none"]


class _Sentence:
    """The words for one finding."""

    def __init__(self, finding: Finding, language: Language) -> None:
        self._found = finding
        self._language: Language = language
        self._texts = TEXTS[language]
        self._names = [column.replace("_", " ") for column in finding.columns]

    def text(self) -> str:
        found = self._found
        if found.row_count == 1:
            text = self._one_row(found.rows[0])
        elif found.row_count <= len(found.rows) and self._looked_up():
            text = " ".join(self._one_row(row) for row in found.rows)
        else:
            text = self._many_rows()
        if found.truncated:
            text += " " + self._texts["cut"].format(count=found.row_count)
        return text

    def _looked_up(self) -> bool:
        return self._found.row_count <= 2 and not self._found.numeric[0] and "distance" in self._found.sql

    def _one_row(self, row: Sequence[Any]) -> str:
        if len(row) == 1:
            return self._is(self._names[0], row[0])
        if self._names[0] in {"percentage", "porcentaje"} and len(row) == 3:
            part, whole = _value(row[1]), _value(row[2])
            return self._texts["share"].format(value=_value(row[0]), part=part, whole=whole)
        if self._found.numeric[0] and self._names[0] not in _PERIODS:
            return " ".join(self._is(name, value) for name, value in zip(self._names, row, strict=True))
        facts = [self._fact(i, row[i]) for i in range(1, len(row)) if not self._is_date(i)]
        if not facts:
            return f"{_value(row[0])}: {self._fact(1, row[1])}."
        return f"{self._label(row)}: {', '.join(facts)}."

    def _is(self, name: str, value: Any) -> str:
        if value is None:
            return self._texts["empty"]
        article = "La" if re.search(r"^(media|mediana)|^\S+(a|ón|dad)$", name.split(" ", maxsplit=1)[0]) else "El"
        if self._language == "en" and name.startswith("total ") and name.endswith("s") and " in " not in name:
            return f"The {name} are {_value(value)}."
        return (
            self._texts["is"].format(name=name, value=self._with_unit(name, value), article=article)
            if not self._unit(name)
            else (self._texts["is"].format(name=self._bare(name), value=self._with_unit(name, value), article=article))
        )

    def _unit(self, name: str) -> str:
        """Return the unit that a column's name ends in: "running time in minutes"."""
        head, found, unit = name.rpartition(_UNITS[self._language])
        return unit if found and head and " " not in unit else ""

    def _bare(self, name: str) -> str:
        unit = self._unit(name)
        return name.removesuffix(f"{_UNITS[self._language]}{unit}") if unit else name

    def _with_unit(self, name: str, value: Any) -> str:
        unit = self._unit(name)
        return f"{_value(value)} {unit}" if unit else _value(value)

    def _fact(self, index: int, value: Any) -> str:
        name = self._names[index]
        if value is None:
            return self._texts["unknown"].format(name=self._bare(name))
        if name.startswith(_COUNTS[self._language]):
            return f"{_value(value)} {name.removeprefix(_COUNTS[self._language])}"
        if not self._found.numeric[index] or name in _PERIODS:
            return self._texts["of"].format(name=name, value=_value(value))
        article = "an" if name[0] in "aeiou" else "a"
        if self._language == "en" and name.endswith("s") and not self._unit(name):
            return f"{_value(value)} {name}"
        if self._language == "es" and name.endswith("s") and not self._unit(name) and " " not in name:
            return f"{_value(value)} {name}"
        return self._texts["an"].format(article=article, name=self._bare(name), value=self._with_unit(name, value))

    def _is_date(self, index: int) -> bool:
        """Whether the column is the year in brackets behind the label."""
        return index == 1 and self._names[1] in {"year", "año"} and not self._found.numeric[0]

    def _label(self, row: Sequence[Any]) -> str:
        label = _value(row[0])
        if len(row) > 1 and self._is_date(1):
            year = _value(row[1]) if row[1] is not None else self._texts["unknown"].format(name=self._names[1])
            return f"{label} ({year})"
        return label

    def _measure(self) -> int | None:
        """Return the column that the rows are about: the first figure that is not a period or the label."""
        for index in range(1, len(self._names)):
            if self._found.numeric[index] and self._names[index] not in _PERIODS:
                return index
        return None

    def _many_rows(self) -> str:  # noqa: PLR0911 - one return for each kind of result
        found, measure = self._found, self._measure()
        if measure is None:
            items = self._joined([self._label(row) for row in found.rows])
            key = "few" if found.row_count <= len(found.rows) else "list"
            return self._texts[key].format(count=found.row_count, items=items)
        if "PARTITION BY" in found.sql:
            items = self._joined(
                [f"{_value(row[0])}: {self._item(row[1:], measure - 1)}" for row in found.rows[:_NAMED]]
            )
            return self._texts["each"].format(items=items, count=found.row_count)
        if "place = 1" in found.sql:
            items = self._joined([self._item(row, measure) for row in found.rows])
            key = "tied" if found.row_count <= len(found.rows) else "tied_some"
            return self._texts[key].format(count=found.row_count, items=items)
        if found.row_count == len(found.rows) == 2 and self._ranked():
            return self._weighed(*found.rows)
        if self._names[0] in _PERIODS:
            return self._over_time(measure)
        if not self._ranked():
            items = self._joined([self._item(row, measure) for row in found.rows[:_NAMED]])
            return f"{self._texts['list'].format(count=found.row_count, items=items)} {self._extent(measure)}".strip()
        complete = found.row_count <= len(found.rows)
        shown = found.rows if complete else found.rows[:_NAMED]
        items = self._joined([self._item(row, measure) for row in shown])
        name = self._bare(self._names[measure])
        key = "all" if complete else "first"
        text = self._texts[key].format(measure=name, count=found.row_count, items=items)
        return f"{text} {extent}" if not complete and (extent := self._extent(measure)) else text

    def _weighed(self, left: Sequence[Any], right: Sequence[Any]) -> str:
        """Say of two rows which is ahead, by each of their figures: the usual answer to a comparison."""
        sentences: list[str] = []
        for measure, name in enumerate(self._names):
            if measure == 0 or not self._found.numeric[measure] or name in _PERIODS:
                continue
            if left[measure] is None or right[measure] is None:
                key, first, second = "all", left, right
            else:
                level = float(left[measure]) == float(right[measure])
                first, second = (left, right) if float(left[measure]) >= float(right[measure]) else (right, left)
                key = "level" if level else "ahead"
            pair = [self._item(first, measure), self._item(second, measure)]
            sentences.append(
                self._texts[key].format(
                    measure=self._bare(name), first=pair[0], second=pair[1], items=self._joined(pair)
                )
            )
        counted = self._names[1].startswith(_COUNTS[self._language])  # else the count is there for context only
        return " ".join(sentences[: 2 if counted else 1])

    def _ranked(self) -> bool:
        """Whether the rows are in the order of a figure and not of what they are called."""
        label = re.match(r"SELECT (\S+) AS", self._found.sql)
        ordered = re.findall(r"ORDER BY (\S+?),?(?:\s|$)", self._found.sql)
        return not ordered or ordered[-1] not in {self._found.columns[0], label.group(1) if label else ""}

    def _item(self, row: Sequence[Any], measure: int) -> str:
        value = row[measure]
        name = self._names[measure + len(self._names) - len(row)]
        figure = "?" if value is None else self._with_unit(name, value)
        return f"{_value(row[0])} ({figure})"

    def _extent(self, measure: int) -> str:
        figures = self._found.aggregates.get(self._found.columns[measure], {})
        low, high = figures.get("min"), figures.get("max")
        if low is None or high is None or low == high:
            return ""
        return self._texts["range"].format(measure=self._bare(self._names[measure]), low=_value(low), high=_value(high))

    def _over_time(self, measure: int) -> str:
        found, name = self._found, self._bare(self._names[measure])
        known = [row for row in found.rows if row[measure] is not None]
        in_order = [row[0] for row in found.rows] == sorted(row[0] for row in found.rows)
        if found.row_count > len(found.rows) or not known:
            periods = found.aggregates.get(found.columns[0], {})
            figures = found.aggregates.get(found.columns[measure], {})
            if figures.get("min") is None or periods.get("min") is None or not in_order:
                items = self._joined([self._item(row, measure) for row in found.rows[:_NAMED]])
                return self._texts["first"].format(measure=name, count=found.row_count, items=items)
            return self._texts["span"].format(
                measure=name, low=_value(figures["min"]), high=_value(figures["max"]), count=found.row_count,
                unit=self._names[0] + "s", first=_value(periods["min"]), last=_value(periods["max"]),
            )  # fmt: skip
        items = self._joined([self._item(row, measure) for row in found.rows])
        text = self._texts["all"].format(measure=name, items=items)
        first, last = known[0], known[-1]
        if in_order and first[measure] != last[measure]:
            direction = self._texts["up" if float(last[measure]) > float(first[measure]) else "down"]
            text += " " + self._texts["trend"].format(
                first=_value(first[0]), last=_value(last[0]), direction=direction, start=_value(first[measure]),
                end=_value(last[measure]),
            )  # fmt: skip
        return text

    def _joined(self, items: Sequence[str]) -> str:
        if len(items) < 2:
            return "".join(items)
        return ", ".join(items[:-1]) + self._texts["and"] + items[-1]


def _value(value: Any) -> str:
    """Return a value as it stands in the data, on one line; a long text is quoted and cut."""
    if value is None:
        return "-"
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    line = " ".join(value.split())
    if len(line) > _LONGEST_VALUE:
        return f"“{line[: _LONGEST_VALUE - 1]}…”"
    return line
