"""ETL jobs on a running product: records in, a published Gold out, and the books that must balance."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

import httpx2
import pyarrow.parquet as pq
from azure.cosmos import CosmosClient, PartitionKey
from hosting import Host

from shared import etl_paths
from shared.jobs import JobRecord, Jobs

OWNER = "demo"
RUNTIME = "/runtime/webhooks/durabletask"


class Factory:
    """A host whose jobs are started as the API starts them, and looked at from outside."""

    def __init__(self, host: Host) -> None:
        self.host = host
        # A connection that is kept may be closed by the host in the very moment it is used again.
        limits = httpx2.Limits(max_keepalive_connections=0)
        self.http = host.client(params={"code": host.system_key}, limits=limits)
        self.lake = host.data / "lake"
        keys = json.loads((host.data / "keys.json").read_text())
        client = CosmosClient(host.services["cosmos"], keys["cosmos_key"], retry_total=3)
        database = client.create_database_if_not_exists("imdb_chat")
        self.jobs = Jobs(database.create_container_if_not_exists("jobs", PartitionKey("/owner")))

    def submit(self, lines: Iterable[bytes], *, owner: str = OWNER, declared: int = 0, **fields: Any) -> str:
        """Put records into Bronze, and start a job over them."""
        job_id = str(uuid4())
        path = etl_paths.bronze_path(owner, job_id, job_id, "jsonl")
        content = b"".join(lines)
        (self.lake / path).parent.mkdir(parents=True, exist_ok=True)
        (self.lake / path).write_bytes(content)
        source = {"path": path, "format": "jsonl", "bytes": len(content), "etag": ""}
        source["sha256"] = hashlib.sha256(content).hexdigest()
        at = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime())}.000Z"
        nothing_yet = ("lane", "queue_position", "counts", "deadline", "silver_path", "rejects_path", "gold", "serving")
        record: Any = {
            **dict.fromkeys((*nothing_yet, "review", "error"), None),
            "id": job_id,
            "owner": owner,
            "parent_job_id": job_id,
            "name": "May",
            "fingerprint": "f",
            "declared_count": declared,
            "priority": 5,
            "window": "now",
            "source": source,
            "state": "queued",
            "created_at": at,
            "updated_at": at,
            "percentage": 0,
            "attempts": [],
            "ttl": 86_400,
            **fields,
        }
        self.jobs.create(record)
        started = self.http.post(f"{RUNTIME}/orchestrators/etl_job/{job_id}", json={"job_id": job_id, "owner": owner})
        assert started.status_code == 202, started.text
        return job_id

    def record(self, job_id: str, owner: str = OWNER) -> JobRecord:
        return self.jobs.read(job_id, owner)

    def until(self, holds: Callable[[], Any], *, patience: float = 240, what: str = "that") -> Any:
        """Return what ``holds`` once it is true."""
        until = time.monotonic() + patience
        while not (found := holds()):
            assert time.monotonic() < until, f"it did not come to {what}: {self.host.lines[-10:]}"
            time.sleep(0.05)
        return found

    def reach(self, job_id: str, step: str, owner: str = OWNER) -> None:
        """Wait until a job has begun a step."""
        self.until(lambda: any(a["step"] == step for a in self.record(job_id, owner)["attempts"]), what=step)

    def end(self, job_id: str, owner: str = OWNER, *, patience: float = 240) -> JobRecord:
        """Return the record of a job at its end."""

        def ended() -> JobRecord | None:
            record = self.record(job_id, owner)
            return record if record["state"] in {"completed", "failed", "cancelled"} else None

        return self.until(ended, patience=patience, what="an end")

    def tell(self, job_id: str, event: str, data: Any = None) -> None:
        content, headers = json.dumps(data), {"Content-Type": "application/json"}
        told = self.http.post(f"{RUNTIME}/instances/{job_id}/raiseEvent/{event}", content=content, headers=headers)
        assert told.status_code == 202, told.text

    def entity(self, name: str, key: str) -> Any:
        found = self.http.get(f"{RUNTIME}/entities/{name}/{key}")
        return found.json() if found.status_code == 200 else None

    def running(self, lane: str) -> list[str]:
        state = self.entity("admission", lane)
        return [job["job_id"] for job in state["running"]] if state else []

    def manifest(self, record: JobRecord) -> dict[str, Any]:
        assert record["gold"] is not None, record
        return json.loads((self.lake / record["gold"]["manifest_path"]).read_text())

    def balance(self, record: JobRecord, rows: int) -> None:
        """Every row is where the books say it is: in the record, in the manifest and in the files."""
        counts = record["counts"]
        assert counts is not None
        assert record["state"] == "completed", record["error"]
        assert counts["input"] == rows == counts["cleaned"] + counts["rejected"] + counts["duplicates"]
        manifest = self.manifest(record)
        for name, table in manifest["tables"].items():
            assert pq.read_metadata(self.lake / table["path"]).num_rows == table["rows"], name
        assert manifest["tables"]["silver"]["rows"] == counts["cleaned"]
        assert manifest["tables"]["rejects"]["rows"] == counts["rejected"]
        assert manifest["tables"]["fact_orders"]["rows"] == counts["cleaned"]
        versions = [path for path in (self.lake / record["gold"]["manifest_path"]).parent.iterdir() if path.is_dir()]
        assert [path.name for path in versions] == [manifest["gold_version"]], "one Gold was ever published"
        left = [path for path in (self.lake / "staging").rglob("*") if record["id"] in str(path) and path.is_file()]
        assert left == [], "nothing is left behind"

    def close(self) -> None:
        self.http.close()


def most_at_once(records: list[JobRecord]) -> int:
    """How many of the jobs were at work at the same time, at most."""
    edges: list[tuple[str, int]] = []
    for record in records:
        times = [time for attempt in record["attempts"] for time in (attempt["started_at"], attempt["ended_at"])]
        assert None not in times
        edges += [(min(times), 1), (max(times), -1)]
    running = peak = 0
    for _, step in sorted(edges):
        running += step
        peak = max(peak, running)
    return peak


def kill(factory: Factory) -> None:
    """End the host where it stands."""
    factory.close()
    factory.host.process.kill()
    factory.host.stop()
