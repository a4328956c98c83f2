"""Write the JSON Schema by which editors complete and check a catalogue file: ``python -m tools.dataset_schema``."""

import json
from typing import Any

from shared.catalog import CATALOG_DIR, Dataset

PATH = CATALOG_DIR / "dataset.schema.json"


def dataset_schema() -> dict[str, Any]:
    """Return the JSON Schema of what ``shared.catalog`` reads."""
    schema = Dataset.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


if __name__ == "__main__":
    PATH.write_text(f"{json.dumps(dataset_schema(), indent=2)}\n", encoding="utf-8")
