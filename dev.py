"""Set this project up and run its commands: ``python3 dev.py run | test | check | chaos | setup | lock``.

Every command does its own set-up first and skips it when nothing changed. Only the standard library is used, and
nothing newer than Python 3.9 in its syntax, so that an old interpreter can still find or ask for the right one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed.json"
LOG = VENV / "setup.log"
LOCK = ROOT / "requirements.lock"
WINDOWS = os.name == "nt"
VENV_PYTHON = VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")
PYTHON_VERSION = (3, 13)
JAVA_VERSION = 17

# A file's tests stay together: they share what they start. The order is that of tests/conftest.py.
TWO_AT_ONCE = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
CHECKS = {
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "."],
    "types": ["pyright"],
    "imports": ["lint-imports", "--no-logo"],
    "tests": ["python", "-m", "pytest", *TWO_AT_ONCE],
}


class SetupError(Exception):
    """The set-up cannot go on; the text says what to do."""


# --- The right Python ------------------------------------------------------------------------------------------------


def use_right_python() -> None:
    """Start again under Python 3.13 where this is another one."""
    if sys.version_info[:2] == PYTHON_VERSION:
        return
    version = "{}.{}".format(*PYTHON_VERSION)
    candidates = [
        ["py", f"-{version}"] if WINDOWS else [f"python{version}"],
        ["uv", "run", "--no-project", "--python", version, "python"],
    ]
    probe = f"import sys; sys.exit(sys.version_info[:2] != {PYTHON_VERSION})"
    for candidate in candidates:
        if shutil.which(candidate[0]) and _quiet([*candidate, "-c", probe]) == 0:
            hand_over([*candidate, str(ROOT / "dev.py"), *sys.argv[1:]])
    if sys.version_info[:2] > PYTHON_VERSION:
        say(f"Warning: this is Python {sys.version_info[0]}.{sys.version_info[1]}; the project is tested on {version}.")
        return
    raise SetupError(
        f"Python {version} is needed; this is {sys.version.split()[0]} ({sys.executable}).\n"
        f"  with pyenv:  pyenv install {version}       (.python-version then selects it in this folder)\n"
        f"  with uv:     uv run --no-project dev.py run  (uv fetches Python itself)\n"
        f"  on Windows:  winget install Python.Python.{version}\n"
        f"  otherwise:   https://www.python.org/downloads/"
    )


def find_java() -> int:
    """Return the major version of the Java that Spark would use, 0 where there is none."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if java is None:
        return 0
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found.group(1)) if found else 0


# --- The environment -------------------------------------------------------------------------------------------------


def prepare(*groups: str) -> None:
    """Make ``.venv`` hold ``groups`` of pyproject.toml, at the versions of the lock."""
    known = dependency_groups()
    digest = _digest(known)
    installed = _installed(digest)
    wanted = {*groups, *installed}
    if "spark" not in installed:
        wanted |= _spark_if_possible()
    if wanted <= installed:
        return

    STAMP.unlink(missing_ok=True)  # an interrupted set-up starts over
    if not _is_right_version():
        create_environment()
    requirements = [requirement for group in sorted(wanted) for requirement in known[group]]
    install(requirements, "Installing " + ", ".join(sorted(wanted)))
    STAMP.write_text(json.dumps({"digest": digest, "groups": sorted(wanted)}), encoding="utf-8")


def create_environment() -> None:
    """Make ``.venv`` anew."""
    say(f"Creating .venv with Python {sys.version.split()[0]}")
    if VENV.is_dir():
        shutil.rmtree(VENV)
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False)
    if made.returncode:
        hint = "  On Debian and Ubuntu: sudo apt install python3.13-venv"
        raise SetupError(f"Creating .venv failed:\n{made.stdout}{made.stderr}\n{hint}")


def install(requirements: list[str], title: str) -> None:
    """Install ``requirements`` with pip; its words go to a log that is shown when it fails."""
    command = [str(VENV_PYTHON), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    command += ["--constraint", str(LOCK), *requirements]
    started = time.monotonic()
    progress = Progress(title)
    with (
        LOG.open("w", encoding="utf-8") as log,
        progress,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8") as pip,
    ):
        assert pip.stdout
        for line in pip.stdout:
            log.write(line)
            progress.read(line)
        failed = pip.wait()
    if failed:
        tail = "".join(LOG.read_text(encoding="utf-8").splitlines(keepends=True)[-15:])
        raise SetupError(f"{tail}\nInstalling failed; the whole log is in {LOG.relative_to(ROOT)}.")
    say(f"Done in {time.monotonic() - started:.0f} s")


class Progress:
    """A bar on a terminal, one plain line elsewhere. Half of it is collecting packages, half installing them."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._lines = len(LOCK.read_text(encoding="utf-8").splitlines())
        self._collected = 0
        self._total = 0
        self._before = 0
        self._ended = threading.Event()
        self._painter = threading.Thread(target=self._paint, daemon=True)

    def __enter__(self) -> None:
        if _is_terminal():
            self._before = _count_installed()
            self._painter.start()
        else:
            say(self._title + " (a minute or two the first time)")

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._painter.is_alive():
            self._painter.join()
            print("\r\033[K", end="")
            say(self._title)

    def read(self, line: str) -> None:
        """Learn from one line of pip."""
        if line.startswith(("Collecting ", "Requirement already satisfied: ")):
            self._collected += 1
        elif line.startswith("Installing collected packages: "):
            self._total = line.count(",") + 1

    def _paint(self) -> None:
        width = 24
        while not self._ended.wait(0.2):
            share = min(1.0, self._collected / self._lines) / 2
            if self._total:
                share = 0.5 + min(1.0, (_count_installed() - self._before) / self._total) / 2
            done = round(share * width)
            print(f"\r\033[K{self._title} [{'#' * done}{'.' * (width - done)}] {share:.0%}", end="", flush=True)


def dependency_groups() -> dict[str, list[str]]:
    """Return what pyproject.toml installs, by purpose."""
    import tomllib

    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["dependency-groups"]


def _spark_if_possible() -> set[str]:
    java = find_java()
    if java >= JAVA_VERSION and not WINDOWS:
        return {"spark"}
    if WINDOWS:
        say("Spark needs extra files on Windows, so SQL runs on DuckDB (approximate); for Spark use WSL.")
    else:
        found = f"Java {java} is too old for Spark" if java else "No Java found"
        say(f"{found}, so SQL runs on DuckDB (approximate); for real Spark install Java {JAVA_VERSION}.")
    return set()


def _digest(groups: dict[str, list[str]]) -> str:
    content = json.dumps([groups, sys.version_info[:2], str(VENV)]).encode() + LOCK.read_bytes()
    return hashlib.sha256(content).hexdigest()


def _installed(digest: str) -> set[str]:
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    return set(stamp["groups"]) if stamp["digest"] == digest and VENV_PYTHON.exists() else set()


def _is_right_version() -> bool:
    """Whether ``.venv`` is of this Python, starts (its folder may have moved) and has pip (uv makes it without)."""
    probe = f"import pip, sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    return VENV_PYTHON.exists() and _quiet([str(VENV_PYTHON), "-c", probe]) == 0


def _count_installed() -> int:
    return sum(1 for _ in VENV.glob("[Ll]ib/**/*.dist-info"))


# --- Commands --------------------------------------------------------------------------------------------------------


def run(arguments: list[str]) -> None:
    """Start everything on this machine; the arguments go to ``python -m localhost start``."""
    prepare("app", "local")
    hand_over([str(VENV_PYTHON), "-m", "localhost", "start", *arguments])


def test(arguments: list[str]) -> None:
    """Run the tests, all of them in two processes; the arguments go to pytest."""
    prepare("app", "local", "test")
    everything = all(argument.startswith("-") for argument in arguments)
    hand_over([str(VENV_PYTHON), "-m", "pytest", *(TWO_AT_ONCE if everything else []), *arguments])


def check(arguments: list[str]) -> None:
    """Run what CI runs: format, lint, types, imports, tests, or those of them that are named."""
    if unknown := [name for name in arguments if name not in CHECKS]:
        raise SetupError(f"There is no check {unknown[0]!r}; there is: {', '.join(CHECKS)}.")
    prepare("app", "local", "test")
    results: list[str] = []
    failed = False
    for name in arguments or CHECKS:
        say(f"\n== {name}: {' '.join(CHECKS[name])}")
        started = time.monotonic()
        ok = _check(name)
        failed |= not ok
        results.append(f"{'Done  ' if ok else 'Failed'}  {name:8} {time.monotonic() - started:6.1f} s")
    say("\n" + "\n".join(results))
    sys.exit(1 if failed else 0)


def chaos(arguments: list[str]) -> None:
    """Kill, fill and turn back whatever can be, and count what is lost; --help says more."""
    prepare("app", "local", "test")
    os.environ["PYTHONPATH"] = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    hand_over([str(VENV_PYTHON), "-m", "chaos", *arguments])


def setup(_arguments: list[str]) -> None:
    """Install everything, and start nothing."""
    prepare("app", "local", "test")
    say(f"Ready: {VENV_PYTHON.relative_to(ROOT)}")


def lock(arguments: list[str]) -> None:
    """Pin every dependency anew; the arguments go to uv (``--upgrade``, ``--upgrade-package NAME``)."""
    prepare("app", "local", "test")
    compile_ = [str(VENV_PYTHON), "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.13"]
    compile_ += ["--prerelease", "if-necessary-or-explicit", "--no-header", "--no-annotate"]
    groups = [word for group in dependency_groups() for word in ("--group", group)]
    subprocess.run([*compile_, *arguments, *groups, "--output-file", LOCK.name], cwd=ROOT, check=True)

    pinned = ["--group", "app", "--constraint", LOCK.name]
    deployed = subprocess.run([*compile_, *pinned], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    header = "# What Azure installs: the `app` group of pyproject.toml. Generated by `make lock`; do not edit.\n"
    (ROOT / "requirements.txt").write_text(header + deployed, encoding="utf-8", newline="\n")
    say("Wrote requirements.lock and requirements.txt")


def _check(name: str) -> bool:
    quiet = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    tool, *arguments = CHECKS[name]
    command = [str(VENV_PYTHON.with_name(tool)), *arguments]
    if name == "types":
        # On its first run the wrapper fetches pyright itself; tell that from a type error.
        fetched = subprocess.run([*command, "--version"], env=quiet, capture_output=True, text=True, check=False)
        if fetched.returncode:
            say(fetched.stdout + fetched.stderr)
            say("pyright could not be fetched from the npm registry: is it reachable, and does Node.js start?")
            return False
    return subprocess.run(command, cwd=ROOT, env=quiet, check=False).returncode == 0


# --- Words and processes ---------------------------------------------------------------------------------------------


def say(text: str) -> None:
    """Print one line for the person in front."""
    print(text, flush=True)


def hand_over(command: list[str]) -> None:
    """Become ``command``, so that Ctrl-C and signals reach it; does not return."""
    sys.stdout.flush()
    os.chdir(ROOT)
    if not WINDOWS:
        os.execvp(command[0], command)
    child = subprocess.Popen(command)
    while True:
        try:
            sys.exit(child.wait())
        except KeyboardInterrupt:
            continue  # the console gave it to the child as well, which ends in its own time


def _is_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _quiet(command: list[str]) -> int:
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode


def main() -> None:
    """Read the command line and run one command."""
    commands = {"run": run, "test": test, "check": check, "chaos": chaos, "setup": setup, "lock": lock}
    parser = argparse.ArgumentParser(
        prog="dev.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Set up and run this project. Every command installs what it needs.",
        epilog="\n".join(f"  {name:6} {(function.__doc__ or '').strip()}" for name, function in commands.items())
        + "\n\nexamples:\n  python3 dev.py run --port 8000\n  python3 dev.py test -k guard",
    )
    parser.add_argument("command", choices=commands, help="see below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="passed on")
    chosen = parser.parse_args()
    try:
        use_right_python()
        commands[chosen.command](chosen.arguments)
    except SetupError as error:
        sys.exit(f"Failed: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
