"""``completion``: let the shell complete commands and options."""

import sys

import click
from click.shell_completion import get_completion_class

from localhost.cli.lazy import examples

NAME = "localhost"


@click.command(
    epilog=examples(
        'eval "$(python -m localhost completion bash)"',
        "python -m localhost completion powershell | Out-String | Invoke-Expression",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish", "powershell"]))
def completion(*, shell: str) -> None:
    """Print a script that makes `localhost` a word of your shell, with completion.

    It is short for this Python's `python -m localhost`.
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click knows the four
    root = click.get_current_context().find_root()
    program = f'"{sys.executable}" -m localhost'
    source = kind(root.command, {}, NAME, "_LOCALHOST_COMPLETE").source()
    for called, instead in _CALLS[shell].items():
        # click expects a program on the PATH; ours is a function of the shell, which `env` cannot call.
        source = source.replace(called, instead.format(program=program))
    click.echo(_DEFINE[shell].format(program=program, name=NAME))
    click.echo(source)


_DEFINE = {
    "bash": '{name}() {{ {program} "$@"; }}',
    "zsh": '{name}() {{ {program} "$@"; }}',
    "fish": "function {name}; {program} $argv; end",
    "powershell": "function {name} {{ & {program} @args }}",
}
_CALLS = {
    "bash": {"bash_complete $1": "bash_complete {program}"},
    "zsh": {f"zsh_complete {NAME}": "zsh_complete {program}", f"    (( ! $+commands[{NAME}] )) && return 1\n": ""},
    "fish": {f"(commandline -t) {NAME}": "(commandline -t) {program}"},
    "powershell": {},
}
