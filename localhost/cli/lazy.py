"""Commands that are imported when they are wanted, so that the command line answers at once."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, override

import click

from localhost.exit_codes import MEANINGS


class LazyGroup(click.Group):
    """A group whose commands are given as ``(module:attribute, what it does)``."""

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        # click looks for what was meant, and for what to list, among the commands it knows.
        commands = {name: click.Command(name, short_help=summary) for name, (_target, summary) in lazy.items()}
        super().__init__(*args, commands=commands, **kwargs)
        self._lazy = lazy

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._lazy)  # in the order of use

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy:
            return None
        module, _, attribute = self._lazy[cmd_name][0].partition(":")
        return getattr(import_module(module), attribute)

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_target, summary) in self._lazy.items()])


def examples(*lines: str) -> str:
    """Return the end of a help page that shows how the command is used."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def exit_codes() -> str:
    """Return the part of a help page that says what the exit codes mean."""
    return "\b\nExit codes:\n" + "\n".join(f"  {code:<4} {meaning}" for code, meaning in MEANINGS.items())
