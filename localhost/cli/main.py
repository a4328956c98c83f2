"""``python -m localhost``: the commands, and what becomes of their errors."""

import sys
from collections.abc import Sequence

import click

from localhost.cli.lazy import LazyGroup, examples, exit_codes
from localhost.exit_codes import ExitCode

PROGRAM = "python -m localhost"
VARIABLE = "_LOCALHOST_COMPLETE"
"""What the shell sets to ask for completions."""

COMMANDS = {
    "start": ("localhost.cli.start:start", "Run the Functions app in a folder."),
    "functions": ("localhost.cli.functions:functions", "List the functions of an app."),
    "settings": ("localhost.cli.settings:settings", "Show every setting and where it comes from."),
    "doctor": ("localhost.cli.doctor:doctor", "Say what is wrong with the task hub, and the fix."),
    "backup": ("localhost.cli.backup:backup", "Copy the task hub, also while a host works on it."),
    "load": ("localhost.data.commands:load", "Load a dataset's files into the lake."),
    "generate": ("localhost.data.commands:generate", "Fill the lake with made-up data."),
    "completion": ("localhost.cli.completion:completion", "Print a script for your shell."),
}


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples("python -m localhost start", "python -m localhost start -h") + "\n\n" + exit_codes(),
)
@click.version_option(package_name=None, version="0.1.0", prog_name="localhost", message="%(prog)s %(version)s")
def cli() -> None:
    """One machine in place of Azure: run a Functions app, with stand-ins for the services around it.

    Data goes to standard output, everything else to standard error. NO_COLOR and TERM=dumb are respected, and
    nothing is sent anywhere: there is no telemetry.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    try:
        result = cli.main(args=arguments, prog_name=PROGRAM, complete_var=VARIABLE, standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("\nInterrupted.\n")
        return ExitCode.INTERRUPTED
    return result if isinstance(result, int) else ExitCode.OK
