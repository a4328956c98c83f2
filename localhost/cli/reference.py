"""The page of the documentation about the command line, written from the command line itself.

python -m localhost.cli.reference > docs/reference/command-line.md
"""

import sys
from collections.abc import Iterator

import click

from localhost.cli.main import PROGRAM, cli
from localhost.cli.settings import HOST_SETTINGS
from localhost.exit_codes import MEANINGS

WIDTH = 100

_HEAD = f"""# Command line

`{PROGRAM}` runs a Functions app on one machine, with stand-ins for the services around it. Every command has `-h`,
and a misspelt command or option gets a suggestion. This page is written by `python -m localhost.cli.reference`; a
test compares them.

Data goes to standard output, everything else to standard error, so `-o json` can be piped. Colour is for terminals
only; `NO_COLOR` and `TERM=dumb` turn it off. Nothing is sent anywhere: there is no telemetry.

## Which value counts

For an option of `start` and for an app setting alike, the first of these that has a value:

1. the command line,
2. the environment,
3. `local.settings.json` in the app's folder (`Values`, and `LocalHttpPort`, `CORS`, `CORSCredentials` of `Host`);
   an app does without the file,
4. the host's default: a stand-in's address, a key made once and kept in `keys.json` of the data folder,
5. the app's default.

`{PROGRAM} settings` shows each value and which of these gave it.

The host itself reads from the environment:
"""


def page() -> str:
    """Return the page as Markdown."""
    variables = [
        f"| `{name}` | `{default}` |" if default else f"| `{name}` | |" for name, default in HOST_SETTINGS.items()
    ]
    codes = [f"| {int(code)} | {meaning} |" for code, meaning in MEANINGS.items()]
    sections = [
        _HEAD + "\n" + "\n".join(["| Variable | Default |", "| --- | --- |", *variables]),
        "## Exit codes\n\n" + "\n".join(["| Code | Meaning |", "| --- | --- |", *codes]),
        *_sections(
            cli, click.Context(cli, info_name=PROGRAM, terminal_width=WIDTH, help_option_names=["-h", "--help"])
        ),
    ]
    return "\n\n".join(sections) + "\n"


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context).rstrip()}\n```"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from _sections(child, click.Context(child, parent=context, info_name=name))


if __name__ == "__main__":
    sys.stdout.write(page())
