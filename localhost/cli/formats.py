"""Options that commands share, and lists on standard output: a table for people, JSON for programs."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click


def output_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``-o table|json`` to a command."""
    choice = click.Choice(["table", "json"])
    return click.option("--output", "-o", type=choice, default="table", show_default=True, help="How to write it.")(
        command
    )


def data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--data``, as ``start`` has it."""
    return click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path(".data"),
        envvar="LOCALHOST_DATA",
        help="Where lake, records and keys are kept.  [default: .data in this folder]",
    )(command)


def script_root_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--script-root DIRECTORY`` to a command."""
    return click.option(
        "--script-root",
        type=click.Path(file_okay=False, exists=True, path_type=Path),
        default=Path(),
        help="The folder of the Functions app.  [default: this folder]",
    )(command)


def write(rows: Sequence[Mapping[str, Any]], output: str) -> None:
    """Write ``rows``, which all have the same keys, to standard output."""
    if output == "json":
        click.echo(json.dumps(list(rows), indent=2, ensure_ascii=False))
        return
    columns = list(rows[0]) if rows else []
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    widths = [max(len(column), *(len(row[i]) for row in cells)) for i, column in enumerate(columns)]
    for line in ([column.upper() for column in columns], *cells):
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # anything prints
    return "" if value is None else str(value)
