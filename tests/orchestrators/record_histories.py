"""Record one history an orchestrator, to be replayed by the versions to come: run it at each release.

python tests/orchestrators/record_histories.py 0.1.0
"""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from replaying import in_memory_hub  # noqa: E402  after the path is set
from test_conversation import TURN, run_turn, steps  # noqa: E402
from test_databricks_query import BAD_SQL, REQUEST, RUNNING, SUCCEEDED, Warehouse  # noqa: E402
from test_etl_job import Plant, works  # noqa: E402

from orchestrators.databricks_query import databricks_query  # noqa: E402


def main(version: str) -> None:
    """Write one file an orchestrator into ``tests/histories``."""
    folder = Path(__file__).parents[1] / "histories"
    with in_memory_hub() as hub:
        run_turn(hub, steps(plan_answer={"query_ids": ["q1", "q2"]})).record(folder / f"conversation-{version}.json")
    with in_memory_hub() as hub:
        warehouse = Warehouse([BAD_SQL, RUNNING], [RUNNING, SUCCEEDED])
        run = hub.run(databricks_query, REQUEST, activities=warehouse.activities)
        run.record(folder / f"databricks_query-{version}.json")
    with in_memory_hub() as hub, works(hub, Plant(refine_small={"review": True})) as at:
        at.start()
        at.until(lambda: at.state_of() == "awaiting_review")
        at.tell("review", {"decision": "accept", "by": "ana"})
        at.end().record(folder / f"etl_job-{version}-reviewed.json")
    large = Plant(measure_source={"count": 50_000}, poll_large=[{"state": "running"}, {"state": "succeeded"}])
    with in_memory_hub() as hub, works(hub, large) as at:
        at.start()
        at.end().record(folder / f"etl_job-{version}-large.json")
    sys.stdout.write(f"Recorded {TURN['conversation_id']} and a query under {version}.\n")


if __name__ == "__main__":
    main(sys.argv[1])
