"""Loading the IMDb data files into the lake: all four tables at once, or nothing.

Every line below a header ends as a row or as a reject with its reason; the two counts add up to the lines, exactly.
The work is done in batches, in memory that does not grow with the files.
"""

import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from localhost.data.imdb_format import SCHEMA, ImdbError, ImdbFile, find_files, open_rows
from localhost.data.parts import PartWriter, drop_duplicates
from localhost.data.progress import Progress
from localhost.data.rejects import Refused, RejectLog
from localhost.data.tsv_rows import Batch, Reason, arrow_type, read_batches
from localhost.tables import TableVersion, new_version_folder, publish, tables_root
from shared.catalog import load_dataset


@dataclass(frozen=True, slots=True)
class TableReport:
    """What became of one file. ``rows`` counts its lines without the header."""

    table: str
    file: str
    rows: int
    loaded: int
    rejected: int
    reasons: Mapping[Reason, Refused]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What was published, and where the rejects are; None where there are none."""

    version: str
    tables: tuple[TableReport, ...]
    rejects: Path | None


def load_imdb(folder: Path, lake: Path, progress: Progress) -> LoadReport:
    """Publish the IMDb files in ``folder`` as the `imdb` tables of ``lake``.

    Raises:
        ImdbError: they are not there, are not IMDb's, or hold nothing that can be read; nothing was published.
    """
    files = find_files(folder)
    staged = new_version_folder(lake, SCHEMA)
    rejects = lake / "rejects" / SCHEMA / staged.name
    try:
        reports = tuple(_load_table(file, path, staged, rejects, progress) for file, path in files.items())
        _check_usable(reports, rejects)
        publish(staged, "loaded", {r.table: TableVersion(r.loaded, r.rejected) for r in reports})
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    _forget_old_rejects(lake)
    return LoadReport(staged.name, reports, rejects if rejects.is_dir() else None)


def _load_table(file: ImdbFile, path: Path, staged: Path, rejects: Path, progress: Progress) -> TableReport:
    import pyarrow as pa

    types = column_types(file)
    log = RejectLog(rejects / f"{file.table}.jsonl")
    writer = PartWriter(staged / file.table, pa.schema([(name, arrow_type(kind)) for name, kind in types.items()]))
    lines = 0
    content, raw = open_rows(path)
    with raw, content, progress.task(path.name, path.stat().st_size) as advance:
        try:
            for batch in _read(path, read_batches(content, file, types)):
                lines += batch.lines
                writer.write(batch)
                log.add(batch.rejects)
                advance(raw.tell())
            writer.close()
            log.add(drop_duplicates(writer.parts, file.key, staged / "scratch"))
        finally:
            writer.close()
            log.close()
    shutil.rmtree(staged / "scratch", ignore_errors=True)
    loaded = sum(part.rows for part in writer.parts)
    if loaded + log.count != lines:
        raise AssertionError(f"{path}: {lines} lines became {loaded} rows and {log.count} rejects")
    progress.say("Done", f"{path.name}: {loaded:,} rows")
    if log.count:
        reasons = ", ".join(f"{reason} {refused.count:,}" for reason, refused in log.reasons.items())
        missed = f"{log.count:,} of {lines:,} lines were not loaded ({reasons})"
        progress.say("Warning", f"{path.name}: {missed}; see {log.path}")
    return TableReport(file.table, path.name, lines, loaded, log.count, log.reasons)


def _read(path: Path, batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield ``batches``; a file that breaks off is an error of the file's."""
    line = 1
    while True:
        try:
            batch = next(batches, None)
        except (EOFError, OSError, zlib.error) as error:
            raise ImdbError(
                f"{path} is damaged after line {line}: {error}. Nothing was published; get the file again."
            ) from error
        if batch is None:
            return
        line = batch.first_line + batch.lines - 1
        yield batch


def _check_usable(reports: Iterable[TableReport], rejects: Path) -> None:
    for report in reports:
        if report.rows and not report.loaded:
            raise ImdbError(f"No line of {report.file} could be read; {rejects} says why for each.")


def column_types(file: ImdbFile) -> dict[str, str]:
    """Return the type of each column of ``file``, in the order and as the catalogue has them."""
    table = load_dataset(SCHEMA).table(file.table)
    types = {column.name: column.type for column in table.columns} if table else {}
    if set(types) != set(file.columns):
        raise ImdbError(f"catalog/{SCHEMA}.yaml does not describe the columns of {file.name} as IMDb has them.")
    return dict(types)


def _forget_old_rejects(lake: Path) -> None:
    """Delete the rejects of versions that are no longer kept."""
    for folder in (lake / "rejects" / SCHEMA).glob("*"):
        if not (tables_root(lake) / SCHEMA / folder.name).is_dir():
            shutil.rmtree(folder, ignore_errors=True)
