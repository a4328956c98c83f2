"""The one way to the lake: Parquet under ``LAKE_URL``, on a disk or in ADLS Gen2, through ``pyarrow.fs``.

A result is a folder of Parquet files: a Spark job writes several, we write one.
"""

import math
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from shared.errors import LakeError
from shared.settings import settings

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.fs import FileSystem


def result_url(conversation_id: str, query_id: str, attempt: int) -> str:
    """Return where the rows of one attempt at a query are kept; the same attempt has the same place."""
    return f"{settings().lake_url.rstrip('/')}/results/{conversation_id}/{query_id}-{attempt}"


def write_rows(url: str, table: "pa.Table") -> None:
    """Write ``table`` as the only file of the folder ``url``; written twice, it stands there once.

    Raises:
        LakeError: it could not be written.
    """
    import pyarrow.parquet as pq

    with _lake_errors(url):
        files, path = open_lake(url)
        files.create_dir(path, recursive=True)
        pq.write_table(table, f"{path}/part-0.parquet", filesystem=files)


def read_table(url: str, *, limit: int | None = None) -> "pa.Table":
    """Return the rows of the folder ``url``, in the order they were written; at most ``limit`` of them.

    Raises:
        LakeError: it could not be read.
    """
    import pyarrow.dataset as ds

    with _lake_errors(url):
        files, path = open_lake(url)
        rows = ds.dataset(path, filesystem=files, format="parquet")  # pyright: ignore[reportUnknownMemberType]
        return rows.to_table() if limit is None else rows.head(limit)


def read_rows(url: str, limit: int) -> tuple[list[str], list[list[Any]]]:
    """Return the column names and the first ``limit`` rows of the folder ``url``, as JSON values.

    Raises:
        LakeError: it could not be read.
    """
    return json_rows(read_table(url, limit=limit))


def json_rows(table: "pa.Table") -> tuple[list[str], list[list[Any]]]:
    """Return the column names and the rows of ``table`` as JSON values; dates and decimals become text."""
    columns = [[_json_value(value) for value in column.to_pylist()] for column in table.columns]
    return table.column_names, [list(row) for row in zip(*columns, strict=True)]


def open_lake(url: str) -> "tuple[FileSystem, str]":
    """Return the file system and the path in it that ``url`` names.

    ``url`` is ``file:///folder`` or ``abfss://container@account.dfs.core.windows.net/folder``.

    Raises:
        LakeError: it is neither.
    """
    from pyarrow.fs import AzureFileSystem, LocalFileSystem

    parts = urlsplit(url)
    if parts.scheme == "file":
        return LocalFileSystem(), unquote(parts.path)
    if parts.scheme == "abfss" and parts.username and parts.hostname:
        # The identity of the app signs in: AzureFileSystem without a key uses DefaultAzureCredential.
        return AzureFileSystem(parts.hostname.split(".")[0]), f"{parts.username}{unquote(parts.path)}"
    raise LakeError(f"LAKE_URL {url!r} is not a lake: use file:///folder or abfss://container@account.dfs.core...")


def _json_value(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None  # JSON has no NaN
    return value if value is None or isinstance(value, bool | int | str) else str(value)


@contextmanager
def _lake_errors(url: str) -> Generator[None]:
    from pyarrow import ArrowException

    try:
        yield
    except (OSError, ArrowException) as error:
        raise LakeError(f"The lake could not be used at {url}: {str(error).splitlines()[0]}") from error
