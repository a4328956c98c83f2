from collections.abc import Iterator

import pytest
from replaying import Hub, in_memory_hub


@pytest.fixture
def hub() -> Iterator[Hub]:
    with in_memory_hub() as hub:
        yield hub
