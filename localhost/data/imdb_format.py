r"""The format of the public IMDb data files, as the four that the `imdb` dataset is made of have it.

UTF-8, one row a line, fields between tabs, no quoting; ``\N`` where there is no value. The first line names the
columns. Each file may be packed with gzip (``.gz``).
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

SCHEMA = "imdb"
NULL = "\\N"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ImdbError(Exception):
    """The files cannot be loaded; the message says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class ImdbFile:
    """One of the files. No two rows may have the same ``key``."""

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the file, unpacked."""
        return f"{self.table.replace('_', '.')}.tsv"

    @property
    def header(self) -> bytes:
        """The first line, without its end."""
        return "\t".join(self.columns).encode()


FILES = (
    ImdbFile(
        "title_basics",
        (
            "tconst",
            "titleType",
            "primaryTitle",
            "originalTitle",
            "isAdult",
            "startYear",
            "endYear",
            "runtimeMinutes",
            "genres",
        ),
        ("tconst",),
    ),
    ImdbFile("title_ratings", ("tconst", "averageRating", "numVotes"), ("tconst",)),
    ImdbFile(
        "title_principals",
        ("tconst", "ordering", "nconst", "category", "job", "characters"),
        ("tconst", "ordering"),
    ),
    ImdbFile(
        "name_basics",
        ("nconst", "primaryName", "birthYear", "deathYear", "primaryProfession", "knownForTitles"),
        ("nconst",),
    ),
)


def find_files(folder: Path) -> Mapping[ImdbFile, Path]:
    """Return where each file lies in ``folder``; an unpacked one is preferred.

    Raises:
        ImdbError: the folder or a file is missing, or a file does not begin with IMDb's column names.
    """
    if not folder.is_dir():
        raise ImdbError(f"{folder} is not a folder; give the one that holds {FILES[0].name} and its companions.")
    candidates = {file: [folder / file.name, folder / f"{file.name}.gz"] for file in FILES}
    found = {file: next((p for p in paths if p.is_file()), None) for file, paths in candidates.items()}
    if missing := [file.name for file, path in found.items() if path is None]:
        raise ImdbError(
            f"{folder} does not hold {', '.join(missing)} (or the same with .gz); IMDb's data files come from "
            "https://datasets.imdbws.com/."
        )
    complete = {file: path for file, path in found.items() if path is not None}
    for file, path in complete.items():
        _check_header(file, path)
    return complete


def open_rows(path: Path) -> tuple[BinaryIO, BinaryIO]:
    """Open ``path`` and return what is in it, unpacked, and the file itself (whose place tells how far it is)."""
    raw = path.open("rb")
    return (cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if path.suffix == ".gz" else raw), raw


def _check_header(file: ImdbFile, path: Path) -> None:
    content, raw = open_rows(path)
    with raw, content:
        try:
            header = content.readline(10_000)
        except (OSError, EOFError) as error:
            raise ImdbError(f"{path} cannot be read: {error}.") from error
    if header.removeprefix(BYTE_ORDER_MARK).rstrip(b"\r\n") != file.header:
        shown = header[:80].decode("utf-8", "replace").strip()
        raise ImdbError(
            f"{path} is not IMDb's {file.name}: its first line is {shown!r}, "
            f"but it should name {', '.join(file.columns)}, with tabs between."
        )
