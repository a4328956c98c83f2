"""The two engines over a small lake, the stand-in on DuckDB, and the SDK's client for it."""

import pytest
from serving import serving
from small_workspace import connect, publish_imdb

from localhost.services.databricks.app import create_app
from localhost.services.databricks.duckdb_engine import DuckDbEngine
from localhost.services.databricks.spark_engine import SparkEngine
from localhost.services.databricks.spark_session import missing_for_spark
from localhost.services.faults import Faults


@pytest.fixture(scope="session")
def lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "lake"
    publish_imdb(folder)
    return folder


@pytest.fixture(scope="session")
def duckdb(lake):
    engine = DuckDbEngine(lake)
    engine.start()
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def spark_engines():
    """The one engine that runs, if any, last."""
    engines = []
    yield engines
    for engine in engines[-1:]:
        engine.close()


@pytest.fixture(scope="module")
def spark(lake, spark_engines):
    """Spark for all modules; another one where somebody else has ended the JVM of this process."""
    if missing := missing_for_spark():
        pytest.skip(f"no Spark here: {missing}")
    if not spark_engines or spark_engines[-1].failure:
        spark_engines.append(SparkEngine(lake))
        spark_engines[-1].start()
    return spark_engines[-1]


@pytest.fixture(scope="module")
def all_faults():
    return Faults()


@pytest.fixture
def faults(all_faults):
    yield all_faults
    all_faults.clear()


@pytest.fixture(scope="module")
def url(lake, all_faults):
    with serving(create_app(lake, "duckdb", all_faults)) as url:
        yield url


@pytest.fixture(scope="module")
def workspace(url):
    return connect(url)
