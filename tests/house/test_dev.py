"""`dev.py` sets up once, says what is wrong, and is what make and PowerShell call."""

import ast
import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def dev(monkeypatch, tmp_path):
    """dev.py as a module, with an environment in ``tmp_path`` and nothing really installed."""
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    lock = tmp_path / "requirements.lock"
    lock.write_text("pydantic==2.14.3\n")
    for name, value in {
        "VENV": tmp_path,
        "STAMP": tmp_path / "installed.json",
        "LOG": tmp_path / "setup.log",
        "LOCK": lock,
        "ROOT": tmp_path,
        "VENV_PYTHON": python,
    }.items():
        monkeypatch.setattr(module, name, value)
    groups = {"app": ["pydantic"], "local": ["click"], "spark": ["pyspark"], "test": ["pytest"]}
    monkeypatch.setattr(module, "dependency_groups", lambda: groups)
    monkeypatch.setattr(module, "find_java", lambda: 17)
    return module


@pytest.fixture
def installed(dev, monkeypatch):
    """What was given to pip, call by call."""
    calls = []
    monkeypatch.setattr(dev, "install", lambda requirements, _title: calls.append(requirements))
    return calls


def test_a_second_start_installs_nothing(dev, installed):
    """What is there already is not installed again."""
    dev.prepare("app", "local")
    dev.prepare("app", "local")

    assert installed == [["pydantic", "click", "pyspark"]]


def test_testing_adds_to_what_running_installed(dev, installed):
    """`make test` after `make run` brings the test tools, and `make run` after it removes nothing."""
    dev.prepare("app", "local")
    dev.prepare("app", "local", "test")
    dev.prepare("app", "local")

    assert [len(requirements) for requirements in installed] == [3, 4]


def test_a_new_lock_installs_anew(dev, installed):
    """A pulled update of the lock reaches the environment at the next command."""
    dev.prepare("app", "local")
    dev.LOCK.write_text("pydantic==2.15.0\n")
    dev.prepare("app", "local")

    assert len(installed) == 2


def test_a_failed_set_up_is_not_taken_for_done(dev, monkeypatch):
    """After a failure the next command starts over."""
    monkeypatch.setattr(dev, "install", fail)
    with pytest.raises(RuntimeError):
        dev.prepare("app")

    assert not dev.STAMP.exists()


def fail(*_):
    raise RuntimeError


def test_a_failed_installation_shows_why(dev, capsys):
    """pip's last words are shown, with where all of them are."""
    dev.VENV_PYTHON.unlink()
    dev.VENV_PYTHON.write_text("#!/bin/sh\necho 'ERROR: No matching distribution found for pydantic'\nexit 1\n")
    dev.VENV_PYTHON.chmod(0o755)

    with pytest.raises(dev.SetupError, match=r"(?s)No matching distribution.*setup\.log"):
        dev.install(["pydantic"], "Installing app")


@pytest.mark.parametrize(("java", "said"), [(0, "No Java found"), (11, "Java 11 is too old")])
def test_without_java_17_duckdb_is_announced(dev, installed, monkeypatch, capsys, java, said):
    """Where Spark cannot run it is not installed, and the start says what runs SQL instead."""
    monkeypatch.setattr(dev, "find_java", lambda: java)

    dev.prepare("app", "local")

    assert installed == [["pydantic", "click"]]
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_412"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ("The operation couldn't be completed. Unable to locate a Java Runtime.", 0),
    ],
)
def test_the_version_of_java_is_read(monkeypatch, tmp_path, line, version):
    """JAVA_HOME is asked first, and every vendor's way to say a version is understood."""
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f'#!/bin/sh\ncat >&2 <<"END"\n{line}\nEND\n')
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    assert module.find_java() == version


def test_an_old_python_says_how_to_get_the_right_one(dev, monkeypatch):
    """Without Python 3.13 anywhere, the message names the ways to get it."""
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    monkeypatch.setenv("PATH", "")

    with pytest.raises(dev.SetupError, match=r"(?s)3\.13 is needed.*pyenv install.*uv run.*winget"):
        dev.use_right_python()


def test_an_old_python_hands_over_to_the_right_one(dev, monkeypatch, tmp_path):
    """A `python3.13` on the path takes over, with the same arguments."""
    here = tmp_path / "bin"
    here.mkdir()
    (here / "python3.13").symlink_to(sys.executable)
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    monkeypatch.setattr(sys, "argv", ["dev.py", "test", "-k", "x"])
    monkeypatch.setenv("PATH", str(here))
    taken = []
    monkeypatch.setattr(dev, "hand_over", lambda command: taken.append(command) or sys.exit())

    with pytest.raises(SystemExit):
        dev.use_right_python()

    assert taken == [["python3.13", str(tmp_path / "dev.py"), "test", "-k", "x"]]


def test_old_pythons_can_read_it():
    """The file parses on Python 3.9, so that an old one gets as far as saying what is needed."""
    ast.parse((ROOT / "dev.py").read_text(encoding="utf-8"), feature_version=(3, 9))


def test_make_has_every_command():
    """Each command of dev.py is a target of make, and passes its arguments on."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    for command in ("run", "test", "check", "setup", "lock"):
        assert re.search(rf"^{command}:\n\t@\$\(PYTHON\) dev\.py {command} \$\(ARGS\)$", makefile, re.MULTILINE)


def test_ci_runs_the_readme_and_every_check(dev):
    """CI calls `make test`, as the README does, and each other check of `make check`."""
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    stages = re.search(r"for check in (.*); do", ci)[1].split()

    assert "make test" in ci
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert sorted([*stages, "tests"]) == sorted(dev.CHECKS)
