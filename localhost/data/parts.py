"""A table as Parquet files of bounded size, and the rows that say again what another row said."""

from bisect import bisect_right
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localhost.data.imdb_format import NULL
from localhost.data.tsv_rows import Batch, Reject

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

ROWS_PER_PART = 1_000_000
MEMORY = "512MB"
"""What the search for duplicates may hold in memory; the rest of its work is on the disk."""


class Part:
    """One Parquet file, which knows the line of each of its rows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        # Where rows follow each other in the file as in the input, the first of them says it for all.
        self._rows: list[int] = []
        self._lines: list[int] = []

    def note(self, batch: Batch) -> None:
        """Remember where the rows of ``batch``, appended now, came from."""
        line = batch.first_line
        for broken in [*(reject.line for reject in batch.rejects), batch.first_line + batch.lines]:
            if broken > line:
                self._rows.append(self.rows)
                self._lines.append(line)
                self.rows += broken - line
            line = broken + 1

    def line(self, row: int) -> int:
        """Return the input line of ``row``."""
        at = bisect_right(self._rows, row) - 1
        return self._lines[at] + row - self._rows[at]


class PartWriter:
    """Writes batches into ``folder``, a new file whenever one is full. Close it."""

    def __init__(self, folder: Path, schema: "pa.Schema") -> None:
        folder.mkdir()
        self._folder = folder
        self._schema = schema
        self._writer: ParquetWriter | None = None
        self.parts: list[Part] = []
        self._begin()

    def write(self, batch: Batch) -> None:
        """Append the rows of ``batch``."""
        if self.parts[-1].rows >= ROWS_PER_PART:
            self._begin()
        self.parts[-1].note(batch)
        if self._writer and batch.rows.num_rows:
            self._writer.write_table(batch.rows)

    def close(self) -> None:
        """Finish the last file."""
        if self._writer:
            self._writer.close()
            self._writer = None

    def _begin(self) -> None:
        from pyarrow.parquet import ParquetWriter

        self.close()
        part = Part(self._folder / f"part-{len(self.parts):05}.parquet")
        self._writer = ParquetWriter(part.path, self._schema)
        self.parts.append(part)


@contextmanager
def disk_errors() -> Generator[None]:
    """Raise what DuckDB says of the disk as the ``OSError`` that it is."""
    import duckdb

    try:
        yield
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise OSError(str(error)) from error


def drop_duplicates(parts: Sequence[Part], key: Sequence[str], scratch: Path) -> Iterator[Reject]:
    """Rewrite those of ``parts`` in which a row has the key of an earlier one, and yield what was taken out.

    It is exact, whatever the order of the rows. The search is DuckDB's, which works on the disk beyond ``MEMORY``.
    """
    import duckdb

    names = [str(part.path) for part in parts]
    columns = ", ".join(f'"{name}"' for name in key)
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "temp_directory": str(scratch),
        "preserve_insertion_order": False,
    }
    with disk_errors(), duckdb.connect(config=settings) as database:
        found = database.execute(
            f"""
            WITH repeated AS (SELECT {columns} FROM read_parquet($names) GROUP BY ALL HAVING count(*) > 1)
            SELECT filename, file_row_number FROM (
                SELECT filename, file_row_number,
                       row_number() OVER (PARTITION BY {columns} ORDER BY filename, file_row_number) AS time
                FROM read_parquet($names, filename = true, file_row_number = true) SEMI JOIN repeated USING ({columns})
            ) WHERE time > 1 ORDER BY ALL
            """,  # noqa: S608  the columns are the format's own
            {"names": names},
        )
        by_name = dict(zip(names, parts, strict=True))
        for name, rows in groupby(iter(found.fetchone, None), key=lambda row: row[0]):
            yield from _without(by_name[name], [row for _, row in rows], key)


def _without(part: Part, rows: list[int], key: Sequence[str]) -> Iterator[Reject]:
    """Take ``rows`` out of ``part`` and yield them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(part.path)
    taken = set(rows)
    for row in rows:
        values = {name: table[name][row].as_py() for name in table.column_names}
        what = ", ".join(f"{name} {values[name]}" for name in key)
        yield Reject(
            part.line(row), "duplicate_key", f"{what} is there already", "\t".join(map(_text, values.values()))
        )
    pq.write_table(table.filter(pa.array([row not in taken for row in range(table.num_rows)], pa.bool_())), part.path)
    part.rows -= len(rows)


def _text(value: Any) -> str:
    return NULL if value is None else str(int(value) if isinstance(value, bool) else value)
