"""Write the JSON Schema by which editors complete and check the ETL's rules: ``python -m tools.rules_schema``."""

import json
from typing import Any

from shared.etl.rules import RULES_PATH, Rules

PATH = RULES_PATH.with_name("rules.schema.json")


def rules_schema() -> dict[str, Any]:
    """Return the JSON Schema of what ``shared.etl.rules`` reads."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Rules.model_json_schema()}


if __name__ == "__main__":
    PATH.write_text(f"{json.dumps(rules_schema(), indent=2)}\n", encoding="utf-8")
