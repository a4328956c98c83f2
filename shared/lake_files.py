"""Single files of the lake: published whole or not at all, and never over somebody else's.

Paths are below ``LAKE_URL``. On a disk a file is written beside its place, synced and moved there; in ADLS Gen2 a
blob appears when it is complete.
"""

import hashlib
import os
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast
from urllib.parse import urlsplit

from shared.errors import LakeError, NotFoundError
from shared.lake import open_lake
from shared.settings import settings

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.fs import FileSystem

PIECE = 1 << 20


class FileFacts(NamedTuple):
    """``etag`` changes with the content; equal ones do not prove equal content, ``sha256_of`` does."""

    bytes: int
    etag: str


def url_of(path: str) -> str:
    """Return the URL of ``path``."""
    return f"{settings().lake_url.rstrip('/')}/{path}"


def facts_of(path: str) -> FileFacts | None:
    """Return what the lake knows of a file, or None where there is none."""
    from pyarrow.fs import FileType

    with _errors(path):
        files, place = open_lake(url_of(path))
        info = files.get_file_info(place)
        if info.type is not FileType.File:
            return None
        return FileFacts(info.size, f"{info.mtime_ns:x}-{info.size:x}")


def exists(path: str) -> bool:
    """Whether there is a file or a folder at ``path``."""
    from pyarrow.fs import FileType

    with _errors(path):
        files, place = open_lake(url_of(path))
        return files.get_file_info(place).type is not FileType.NotFound


@contextmanager
def opened(path: str) -> Generator[BinaryIO]:
    """Open a file to read it from any position.

    Raises:
        NotFoundError: there is none.
        LakeError: it could not be read.
    """
    with _errors(path):
        files, place = open_lake(url_of(path))
        stream = files.open_input_file(place)
    with stream:
        yield cast(BinaryIO, stream)


def sha256_of(path: str) -> str:
    """Return the checksum of a file."""
    digest = hashlib.sha256()
    with opened(path) as stream, _errors(path):
        while piece := stream.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def read_bytes(path: str) -> bytes:
    """Return the whole of a file that is known to be small.

    Raises:
        NotFoundError: there is none.
    """
    with opened(path) as stream, _errors(path):
        return stream.read()


def write_bytes(path: str, content: bytes) -> None:
    """Put ``content`` at ``path``, in place of what is there; readers see the one or the other."""
    with replacing(path) as (files, place), files.open_output_stream(place) as stream:
        stream.write(content)


def create_bytes(path: str, content: bytes) -> bool:
    """Put ``content`` at ``path`` if nothing is there yet; return whether it was so. Of several, one is first."""
    parts = urlsplit(settings().lake_url)
    if parts.scheme != "file":
        return _create_blob(path, content)
    with _errors(path):
        _, place = open_lake(url_of(path))
        target = Path(place)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(target)
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            target.hardlink_to(temporary)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        return True


def write_table(path: str, table: "pa.Table") -> None:
    """Put ``table`` at ``path`` as one Parquet file, in place of what is there."""
    write_batches(path, iter(table.to_batches()), table.schema)


def write_batches(path: str, batches: "Iterator[pa.RecordBatch]", schema: "pa.Schema") -> int:
    """Put ``batches`` at ``path`` as one Parquet file, in place of what is there; return how many rows they had."""
    import pyarrow.parquet as pq

    rows = 0
    with replacing(path) as (files, place), pq.ParquetWriter(place, schema, filesystem=files) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def copy_parquet(path: str, to: str) -> int | None:
    """Put a copy of one Parquet file at ``to``, in place of what is there; return how many rows the copy has.

    None where ``path`` is no single file; nothing is copied then.
    """
    import pyarrow.parquet as pq

    if facts_of(path) is None:
        return None
    with opened(path) as source, replacing(to) as (files, place):
        with files.open_output_stream(place) as target:
            while piece := source.read(PIECE):
                target.write(piece)
        return pq.read_metadata(place, filesystem=files).num_rows


def remove(path: str) -> None:
    """Delete a file or a folder with everything in it; what is not there is deleted already."""
    from pyarrow.fs import FileType

    with _errors(path), suppress(FileNotFoundError):
        files, place = open_lake(url_of(path))
        kind = files.get_file_info(place).type
        if kind is FileType.Directory:
            files.delete_dir(place)
        elif kind is FileType.File:
            files.delete_file(place)


@contextmanager
def replacing(path: str) -> "Generator[tuple[FileSystem, str]]":
    """Yield where to write what then stands at ``path``; if the writing fails, nothing changes."""
    from pyarrow.fs import LocalFileSystem

    with _errors(path):
        files, place = open_lake(url_of(path))
        if not isinstance(files, LocalFileSystem):
            yield files, place
            return
        target = Path(place)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(target)
        try:
            yield files, str(temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def _create_blob(path: str, content: bytes) -> bool:
    from azure.core.exceptions import AzureError, ResourceExistsError
    from azure.identity import DefaultAzureCredential
    from azure.storage.blob import BlobClient

    parts = urlsplit(url_of(path))
    account = f"https://{(parts.hostname or '').replace('.dfs.', '.blob.')}"
    blob = BlobClient(account, parts.username or "", parts.path.lstrip("/"), credential=DefaultAzureCredential())
    try:
        with blob:
            blob.upload_blob(content, overwrite=False)
    except ResourceExistsError:
        return False
    except AzureError as error:
        raise LakeError(f"The lake did not take {path}: {str(error).splitlines()[0]}") from error
    return True


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")


@contextmanager
def _errors(path: str) -> Generator[None]:
    from pyarrow import ArrowException

    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError(f"There is nothing at {path} in the lake.") from error
    except (OSError, ArrowException) as error:
        raise LakeError(f"The lake could not be used at {path}: {str(error).splitlines()[0]}") from error
