"""Reading what a job was given: Bronze, as it was when the job was accepted."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

from shared.errors import SourceChangedError
from shared.etl_paths import staging_path
from shared.jobs import JobRecord, Source
from shared.lake_files import facts_of, opened, sha256_of, write_batches
from shared.parsed_rows import parsed_rows

if TYPE_CHECKING:
    from collections.abc import Generator

    from shared.etl.reading import Raw
    from shared.etl.rules import Rules


@contextmanager
def raw_blocks(source: Source, rules: "Rules") -> "Generator[Iterator[Raw]]":
    """Open the raw rows of a source, block by block.

    Raises:
        SourceChangedError: it is not what was accepted, to the byte.
        RequestError: it is not what its format says.
    """
    from shared.etl.reading import read_raw

    check_unchanged(source)
    if (known := parsed_rows.take(source["sha256"], source["format"])) is not None:
        yield iter(known)
        return
    with opened(source["path"]) as stream:
        yield read_raw(stream, source["format"], rules)


def check_unchanged(source: Source) -> None:
    """Compare a source with what was accepted.

    Raises:
        SourceChangedError: it is something else by now, or not there.
    """
    facts = facts_of(source["path"])
    if facts is None or facts.bytes != source["bytes"] or sha256_of(source["path"]) != source["sha256"]:
        raise SourceChangedError(source["path"])


def raw_path(record: JobRecord) -> str:
    """Return where the raw rows of a large job lie for Spark."""
    return f"{staging_path(record['owner'], record['parent_job_id'], record['id'], 'raw')}.parquet"


def stage_raw(record: JobRecord, blocks: "Iterator[Raw]", *, beyond: int) -> int:
    """Count the rows of ``blocks``; where they are more than ``beyond``, lay all of them out for Spark on the way.

    Otherwise they are kept for the step that cleans them.
    """
    held: list[Raw] = []
    count = 0
    for raw in blocks:
        held.append(raw)
        count += raw.table.num_rows
        if count > beyond:
            return _write_raw(record, chain(held, blocks))
    source = record["source"]
    parsed_rows.keep(source["sha256"], source["format"], tuple(held), source["bytes"])
    return count


def _write_raw(record: JobRecord, blocks: "Iterable[Raw]") -> int:
    tables = (raw.with_records() for raw in blocks)
    first = next(iter(tables))
    batches = (batch for table in chain([first], tables) for batch in table.to_batches())
    return write_batches(raw_path(record), batches, first.schema)
