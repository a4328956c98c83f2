import io
import json

import pytest

from shared.etl.reading import joined, read_raw
from shared.etl.rules import load_rules


@pytest.fixture(scope="session")
def rules():
    return load_rules()


@pytest.fixture
def read(rules):
    """Read text or records, as JSON unless said otherwise."""

    def read(content, kind="json", limits=None):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        return joined(read_raw(io.BytesIO(content), kind, rules, limits))

    return read
