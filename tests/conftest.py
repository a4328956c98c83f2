"""Fixtures that any test may use."""

from collections.abc import Callable, Iterator
from pathlib import Path

import hosting
import pytest
from hosting import Host

SHARED_IMDB = hosting.ROOT.parent / "shared" / "data" / "imdb"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that two processes end at about the same time."""
    items.sort(key=lambda item: "scenarios" not in item.path.parts)


@pytest.fixture(scope="session")
def local_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The whole product on DuckDB, over the real IMDb extract where it is there and generated data elsewhere."""
    data = tmp_path_factory.mktemp("local_host")
    if SHARED_IMDB.is_dir():
        loaded = hosting.run("load", "imdb", SHARED_IMDB, "--data", data)
        assert loaded.returncode == 0, loaded.stderr
    host = hosting.start("--sql-engine", "duckdb", data=data)
    try:
        yield host
    finally:
        code = host.stop()
    assert code == 0, "".join(host.errors)


@pytest.fixture
def functions_host(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Start a host on a small app: ``functions_host(source, *options, **settings)``; it ends with the test."""
    hosts: list[Host] = []

    def start(source: str, *options: str | Path, **settings: str) -> Host:
        app = tmp_path / f"app{len(hosts)}"
        app.mkdir(exist_ok=True)
        (app / "function_app.py").write_text(source)
        hosts.append(hosting.start("--script-root", app, *options, data=tmp_path / f"data{len(hosts)}", **settings))
        return hosts[-1]

    yield start
    for host in hosts:
        if host.process.returncode is None:
            assert host.stop() == 0, "".join(host.errors)
