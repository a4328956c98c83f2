"""Something to ask about when nothing was loaded."""

from collections.abc import Callable
from pathlib import Path

from localhost.data.imdb_format import SCHEMA
from localhost.tables import current

DEMO_TITLES = 20_000
DEMO_SEED = 1


def ensure_demo_data(lake: Path, report: Callable[[str], None]) -> None:
    """Publish invented data if ``lake`` has none, and tell ``report`` so; otherwise do nothing."""
    if current(lake, SCHEMA) is not None:
        return
    from localhost.data.generate import generate_into_lake

    published = generate_into_lake(lake, titles=DEMO_TITLES, seed=DEMO_SEED)
    report(
        f"No data was loaded, so {published.tables['title_basics'].rows:,} invented titles stand in for IMDb's: "
        "none of these films or people exist. Load the real files with: python -m localhost load imdb DIR"
    )
