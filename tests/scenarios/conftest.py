"""The product with impatient settings, on each lane to Databricks."""

from collections.abc import Iterator

import hosting
import pytest
from products import Product


def _running(factory: pytest.TempPathFactory, name: str, **settings: str) -> Iterator[Product]:
    options = {"QUERY_DEADLINE_SECONDS": "8", "CHAT_BURST": "1000", **settings}
    host = hosting.start("--sql-engine", "duckdb", data=factory.mktemp(name), **options)
    product = Product(host)
    try:
        yield product
    finally:
        product.client.close()
        code = host.stop()
    assert code == 0, "".join(host.errors)


@pytest.fixture(scope="session")
def _statement_lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    yield from _running(tmp_path_factory, "statements")


@pytest.fixture(scope="session")
def _job_lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    yield from _running(tmp_path_factory, "jobs", DATABRICKS_LANE="job")


@pytest.fixture(params=["statement", "job"])
def product(request: pytest.FixtureRequest) -> Product:
    """The product on either lane, with all stand-ins well."""
    running: Product = request.getfixturevalue(f"_{request.param}_lane")
    running.reset()
    return running


@pytest.fixture
def statements(_statement_lane: Product) -> Product:
    """The product on the statement lane, with all stand-ins well."""
    _statement_lane.reset()
    return _statement_lane
