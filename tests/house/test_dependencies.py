"""One lock pins everything, and Azure installs what the app needs and nothing else."""

import tomllib
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]


def pins(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


def closure(requirements):
    """Return the names that installing ``requirements`` brings on this machine."""
    names = set()
    pending = [(Requirement(text), frozenset({""})) for text in requirements]
    seen = set()
    while pending:
        requirement, extras = pending.pop()
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        inner = frozenset({"", *requirement.extras})
        key = (canonicalize_name(requirement.name), inner)
        if key not in seen:
            seen.add(key)
            names.add(key[0])
            pending += [(Requirement(text), inner) for text in requires(requirement.name) or ()]
    return names


def test_the_lock_satisfies_every_group():
    """What pyproject.toml asks for is in the lock, at a version that it accepts; `make lock` was not forgotten."""
    locked = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in pins("requirements.lock")}
    asked = [Requirement(text) for group in GROUPS.values() for text in group]

    wrong = [
        str(r) for r in asked if not r.specifier.contains(locked.get(canonicalize_name(r.name), "0"), prereleases=True)
    ]

    assert wrong == []


def test_azure_installs_the_app_group_and_nothing_else():
    """requirements.txt is what the `app` group needs, at the lock's versions."""
    deployed = [pin for pin in pins("requirements.txt") if not pin.marker or pin.marker.evaluate()]

    assert {canonicalize_name(pin.name) for pin in deployed} == closure(GROUPS["app"])
    versions = {(pin.name, str(pin.specifier)) for pin in pins("requirements.lock")}
    assert {(pin.name, str(pin.specifier)) for pin in pins("requirements.txt")} <= versions


def test_requirements_name_each_package_once():
    """Azure's tools read requirements.txt line by line: a package stands there once, pinned."""
    names = [canonicalize_name(pin.name) for pin in pins("requirements.txt")]

    assert len(names) == len(set(names))
    assert all(str(pin.specifier).startswith("==") for pin in pins("requirements.txt"))


def test_no_file_names_a_package_index():
    """Where packages come from is the machine's business: no file says it."""
    for name in ("pyproject.toml", "requirements.txt", "requirements.lock", "dev.py"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "index-url" not in text, name
        assert "find-links" not in text, name
