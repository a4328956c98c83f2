"""What the exit code of ``python -m localhost`` says."""

from enum import IntEnum


class ExitCode(IntEnum):
    """One meaning each; scripts rely on them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    APP_DOES_NOT_LOAD = 3
    IN_USE = 4
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.OK: "done, or stopped with SIGTERM",
    ExitCode.FAILED: "failed; the last lines say why",
    ExitCode.USAGE: "the command line or a configuration file cannot be read",
    ExitCode.APP_DOES_NOT_LOAD: "the Functions app does not load",
    ExitCode.IN_USE: "the port or the data folder is used by somebody else",
    ExitCode.INTERRUPTED: "interrupted with Ctrl+C",
}
