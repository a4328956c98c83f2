"""A real MariaDB for a test: its own server in its own folder, ended with the test."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 60.0
INSTALLED = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@contextmanager
def mariadb(folder: Path) -> Iterator[str]:
    """Start a server on a socket in ``folder`` and yield the SQLAlchemy URL of an empty database."""
    assert INSTALLED is not None
    data, socket = folder / "data", folder / "m.sock"
    user = [f"--user={Path('/').owner()}"] if os.geteuid() == 0 else []
    _run("mariadb-install-db", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db", *user)
    options = [f"--datadir={data}", f"--socket={socket}", f"--pid-file={folder / 'pid'}", "--skip-networking", *user]
    log = (folder / "log").open("wb")
    server = subprocess.Popen([INSTALLED, "--no-defaults", *options], stdout=log, stderr=log)
    try:
        until = time.monotonic() + PATIENCE
        while not socket.exists():
            assert server.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until, "MariaDB did not start"
            time.sleep(0.05)
        _run("mariadb", "-uroot", f"--socket={socket}", "-e", "CREATE DATABASE serving CHARACTER SET utf8mb4")
        yield f"mysql+pymysql://root@localhost/serving?unix_socket={socket}&charset=utf8mb4"
    finally:
        server.terminate()
        server.wait(PATIENCE)
        log.close()


def _run(program: str, *arguments: str) -> None:
    subprocess.run([program, "--no-defaults", *arguments], check=True, capture_output=True, timeout=PATIENCE)
