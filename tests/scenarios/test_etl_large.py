"""Jobs of the large lane on a running product with real Spark, beside the small ones."""

import shutil
from collections.abc import Iterator
from importlib.util import find_spec

import hosting
import pytest
from factory import Factory, most_at_once

from shared.etl.generate import generate_json_lines
from shared.jobs import JobRecord

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(
        shutil.which("java") is None or find_spec("pyspark") is None, reason="needs Java 17 and PySpark"
    ),
]
SMALL, LARGE = 200, 400


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Factory]:
    """A product for which 300 rows are many."""
    data = tmp_path_factory.mktemp("large")
    host = hosting.start("--sql-engine", "spark", data=data, ETL_SMALL_LIMIT="300")
    running = Factory(host)
    yield running
    running.close()
    assert host.stop() == 0, "".join(host.errors)


def test_thirteen_small_jobs_and_five_large_ones_at_once(factory: Factory) -> None:
    """Never more than ten and three; all of them are told small, and the measured count sends five on to Spark."""
    sizes = [SMALL] * 13 + [LARGE] * 5
    jobs = [factory.submit(generate_json_lines(size, seed=n), declared=1) for n, size in enumerate(sizes)]
    records = [factory.end(job, patience=400) for job in jobs]
    for record, size in zip(records, sizes, strict=True):
        factory.balance(record, size)
        assert record["lane"] == ("small" if size == SMALL else "large")
    assert 1 < most_at_once(records[:13]) <= 10
    assert 1 < most_at_once([cleaning_of(record) for record in records[13:]]) <= 3
    factory.until(lambda: factory.running("small") == factory.running("large") == [], what="free lanes")


def cleaning_of(record: JobRecord) -> JobRecord:
    """Return the record with what it did in the large lane alone: it was measured in the small one."""
    return {**record, "attempts": [one for one in record["attempts"] if one["lane"] == "large"]}


def test_a_cancellation_reaches_databricks(factory: Factory) -> None:
    """The job is over when the run is: cancelled there too, and its slot is free."""
    job = factory.submit(generate_json_lines(LARGE), declared=LARGE)
    factory.until(lambda: any(a.get("run_id") for a in factory.record(job)["attempts"]), what="a run")
    factory.tell(job, "cancel")
    record = factory.end(job, patience=400)
    assert record["state"] == "cancelled"
    assert record["attempts"][-1]["outcome"] == "cancelled"
    assert record["gold"] is None
    factory.until(lambda: factory.running("large") == [], what="a free lane")
