"""``load`` and ``generate``: how data comes into the local lake."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from localhost.data.load import LoadReport

type Output = Literal["table", "json"]

_FOLDER = click.Path(file_okay=False, path_type=Path)


def _shared_options[**P, R](command: Callable[P, R]) -> Callable[P, R]:
    """Add what every command that fills the lake takes."""
    command = click.option(
        "--data",
        type=_FOLDER,
        default=Path(".data"),
        show_default=True,
        help="Folder of the local data, the lake in it, as given to `start`.",
    )(command)
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="Form of the summary on stdout.",
    )(command)


@click.group()
def load() -> None:
    r"""Load data into the local lake.

    \b
    Examples:
      python -m localhost load imdb ~/Downloads/imdb
    """


@load.command("imdb")
@click.argument("folder", type=_FOLDER, metavar="DIR")
@_shared_options
def load_imdb(folder: Path, data: Path, output: Output) -> None:
    r"""Load the IMDb data files in DIR.

    DIR holds title.basics.tsv, title.ratings.tsv, title.principals.tsv and name.basics.tsv, each as it is or packed
    (.gz), as https://datasets.imdbws.com/ has them. They replace what was loaded or generated before, all at once.
    Lines that cannot be read are counted, reported and kept beside the lake.

    \b
    Examples:
      python -m localhost load imdb ~/Downloads/imdb
      python -m localhost load imdb ./imdb --data .data -o json

    \b
    Exit codes:
      0  loaded, perhaps with rejected lines
      1  nothing was loaded; the message says why
      2  the command line was wrong
    """
    from localhost.data import load as loading
    from localhost.data.imdb_format import ImdbError
    from localhost.data.progress import Progress

    progress = Progress()
    try:
        report = loading.load_imdb(folder, data.absolute() / "lake", progress)
    except (ImdbError, OSError) as error:
        progress.say("Failed", str(error))
        sys.exit(1)
    _print_load(report, output)
    progress.say("Done", f"{sum(table.loaded for table in report.tables):,} rows loaded from {folder}")


@click.group()
def generate() -> None:
    r"""Generate invented data.

    \b
    Examples:
      python -m localhost generate imdb --rows 100000
    """


@generate.command("imdb")
@click.option(
    "--rows", type=click.IntRange(1), default=20_000, show_default=True, help="How many titles; the rest follows."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed, same data.")
@click.option("--tsv", type=_FOLDER, metavar="DIR", help="Write IMDb's files into DIR instead of the lake.")
@_shared_options
def generate_imdb(rows: int, seed: int, tsv: Path | None, data: Path, output: Output) -> None:
    r"""Generate invented films, series and people in the shape of IMDb's data.

    They replace the `imdb` tables of the lake, or become files that `load imdb` reads. None of them exists.

    \b
    Examples:
      python -m localhost generate imdb --rows 100000 --seed 7
      python -m localhost generate imdb --rows 5000 --tsv ./imdb

    \b
    Exit codes:
      0  generated
      1  nothing was generated; the message says why
      2  the command line was wrong
    """
    from localhost.data.generate import generate_as_tsv, generate_into_lake
    from localhost.data.progress import Progress

    progress = Progress()
    try:
        if tsv is not None:
            counts: Mapping[str, int] = generate_as_tsv(tsv, titles=rows, seed=seed, progress=progress)
            version = None
        else:
            published = generate_into_lake(data.absolute() / "lake", titles=rows, seed=seed, progress=progress)
            counts = {name: table.rows for name, table in published.tables.items()}
            version = published.version
    except OSError as error:
        progress.say("Failed", str(error))
        sys.exit(1)
    if output == "json":
        click.echo(json.dumps({"seed": seed, "version": version, "tables": dict(counts)}, indent=2))
    else:
        _print_table(("TABLE", "ROWS"), [(name, f"{count:,}") for name, count in counts.items()])


def _print_load(report: "LoadReport", output: Output) -> None:
    """Write the summary to stdout."""
    if output == "json":
        tables: list[dict[str, Any]] = [
            {
                "table": table.table,
                "file": table.file,
                "rows": table.rows,
                "loaded": table.loaded,
                "rejected": table.rejected,
                "reasons": {
                    reason: {"count": refused.count, "first_lines": refused.first_lines}
                    for reason, refused in table.reasons.items()
                },
            }
            for table in report.tables
        ]
        rejects = str(report.rejects) if report.rejects else None
        click.echo(json.dumps({"version": report.version, "tables": tables, "rejects": rejects}, indent=2))
        return
    _print_table(
        ("TABLE", "ROWS", "LOADED", "REJECTED"),
        [(t.table, f"{t.rows:,}", f"{t.loaded:,}", f"{t.rejected:,}") for t in report.tables],
    )
    for table in report.tables:
        for reason, refused in table.reasons.items():
            lines = ", ".join(map(str, refused.first_lines))
            more = ", ..." if refused.count > len(refused.first_lines) else ""
            click.echo(f"{table.file}: {refused.count:,} x {reason}, at line {lines}{more}")
    if report.rejects:
        click.echo(f"Rejected lines: {report.rejects}")


def _print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write columns: the first to the left, numbers to the right."""
    widths = [max(len(line[at]) for line in [header, *rows]) for at in range(len(header))]
    for line in [header, *rows]:
        cells = [
            line[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
        ]
        click.echo("  ".join(cells).rstrip())
