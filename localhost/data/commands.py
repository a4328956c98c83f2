"""``load`` and ``generate``: how data comes into the local lake."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localhost.cli.formats import data_option, output_option, write
from localhost.cli.lazy import examples
from localhost.exit_codes import ExitCode

if TYPE_CHECKING:
    from localhost.data.load import LoadReport

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group(epilog=examples("python -m localhost load imdb ~/Downloads/imdb"))
def load() -> None:
    """Load a dataset's files into the lake."""


@load.command(
    "imdb",
    epilog=examples(
        "python -m localhost load imdb ~/Downloads/imdb",
        "python -m localhost load imdb ./imdb --data /srv/data -o json",
    ),
)
@click.argument("folder", type=FOLDER, metavar="DIR")
@data_option
@output_option
def load_imdb(*, folder: Path, data: Path, output: str) -> int:
    """Load the IMDb data files in DIR.

    DIR holds title.basics.tsv, title.ratings.tsv, title.principals.tsv and name.basics.tsv, each as it is or packed
    (.gz), as https://datasets.imdbws.com/ has them. They replace the imdb tables that are there, all at once. Lines
    that cannot be read are counted, reported and kept beside the lake.
    """
    from localhost.data import load as loading
    from localhost.data.imdb_format import ImdbError
    from localhost.data.progress import Progress

    progress = Progress()
    try:
        report = loading.load_imdb(folder, data.absolute() / "lake", progress)
    except (ImdbError, OSError) as error:
        progress.say("Failed", str(error))
        return ExitCode.FAILED
    _write_report(report, output)
    progress.say("Done", f"{sum(table.loaded for table in report.tables):,} rows loaded from {folder}")
    return ExitCode.OK


@click.group(epilog=examples("python -m localhost generate imdb --rows 100000"))
def generate() -> None:
    """Fill the lake with made-up data."""


@generate.command(
    "imdb",
    epilog=examples(
        "python -m localhost generate imdb --rows 100000 --seed 7",
        "python -m localhost generate imdb --rows 5000 --tsv ./imdb",
    ),
)
@click.option(
    "--rows", type=click.IntRange(1), default=20_000, show_default=True, help="How many titles; the rest follows."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed, same data.")
@click.option("--tsv", type=FOLDER, metavar="DIR", help="Write IMDb's files into DIR instead of the lake.")
@data_option
@output_option
def generate_imdb(*, rows: int, seed: int, tsv: Path | None, data: Path, output: str) -> int:
    """Make up films, series and people in the shape of IMDb's data.

    They replace the imdb tables that are there, or become files that `load imdb` reads. None of them exists.
    """
    from localhost.data.generate import generate_as_tsv, generate_into_lake
    from localhost.data.progress import Progress

    progress = Progress()
    try:
        if tsv is not None:
            counts: Mapping[str, int] = generate_as_tsv(tsv, titles=rows, seed=seed, progress=progress)
        else:
            published = generate_into_lake(data.absolute() / "lake", titles=rows, seed=seed, progress=progress)
            counts = {name: table.rows for name, table in published.tables.items()}
    except OSError as error:
        progress.say("Failed", str(error))
        return ExitCode.FAILED
    write([{"table": name, "rows": count} for name, count in counts.items()], output)
    return ExitCode.OK


def _write_report(report: "LoadReport", output: str) -> None:
    """Write what became of each file to standard output."""
    if output == "json":
        rejects = str(report.rejects) if report.rejects else None
        tables = [asdict(table) for table in report.tables]
        click.echo(json.dumps({"version": report.version, "tables": tables, "rejects": rejects}, indent=2))
        return
    write(
        [{name: getattr(table, name) for name in ("table", "rows", "loaded", "rejected")} for table in report.tables],
        output,
    )
    for table in report.tables:
        for reason, refused in table.reasons.items():
            lines = ", ".join(map(str, refused.first_lines))
            more = ", ..." if refused.count > len(refused.first_lines) else ""
            click.echo(f"{table.file}: {refused.count:,} x {reason}, at line {lines}{more}")
    if report.rejects:
        click.echo(f"Rejected lines: {report.rejects}")
