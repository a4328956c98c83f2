"""DBOS and Restate in a folder of their own: the project does not depend on what it is compared with."""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def install(folder: Path) -> tuple[Path, Path]:
    """Install the pinned peers unless they are there; return their Python and Restate's server."""
    python = folder / "venv" / "bin" / "python"
    servers = "node_modules/@restatedev/restate-server-*/bin/restate-server"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", HERE / "requirements.txt"], check=True)
    if not list(folder.glob(servers)):
        shutil.copy(HERE / "package.json", folder)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
    return python, next(folder.glob(servers))
