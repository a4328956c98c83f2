"""The packages that an app brings along."""

import re
import site
import sys
from collections.abc import Iterator
from pathlib import Path


def add(script_root: Path) -> None:
    """Let the app import its own packages too; of what both have, the host's is taken."""
    for folder in _folders(script_root):
        site.addsitedir(str(folder))


def _folders(script_root: Path) -> Iterator[Path]:
    """Yield what Azure's build makes, and the environments in the app's folder that are of this Python."""
    deployed = script_root / ".python_packages" / "lib" / "site-packages"
    if deployed.is_dir():
        yield deployed
    for configuration in sorted(script_root.glob("*/pyvenv.cfg")):
        environment = configuration.parent
        if environment.resolve() != Path(sys.prefix).resolve() and _is_of_this_python(configuration):
            yield from environment.glob("Lib/site-packages" if sys.platform == "win32" else "lib/*/site-packages")


def _is_of_this_python(configuration: Path) -> bool:
    found = re.search(r"^version(?:_info)?\s*=\s*(\d+)\.(\d+)", configuration.read_text(encoding="utf-8"), re.MULTILINE)
    return found is not None and (int(found[1]), int(found[2])) == sys.version_info[:2]
