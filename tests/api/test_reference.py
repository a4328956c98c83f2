"""docs/reference/http-api.md says what is so."""

import re

from api.responses import DO, STATUSES
from tests.hosting import ROOT
from tools.app_functions import app_functions

PAGE = (ROOT / "docs" / "reference" / "http-api.md").read_text(encoding="utf-8")


def test_the_table_of_errors_is_the_tree_of_errors():
    """Every code is on the page with its status, and no other is."""
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", PAGE, re.MULTILINE)

    assert {code: int(status) for status, code in rows} == {code: int(status) for code, status in STATUSES.items()}


def test_the_codes_of_conversations_are_there():
    """What a conversation alone can end with is on the page, too."""
    rows = re.findall(r"^\| `(\w+)` \|", PAGE.partition("`error_code` | When")[2], re.MULTILINE)

    assert set(rows) == DO.keys() - STATUSES.keys()


def test_every_route_is_there():
    """Each route of the app, but the root and the icon, is in the table of routes."""
    served = [function for function in app_functions() if function.trigger == "httpTrigger"]
    routes = {f"{method} /{function.route}" for function in served for method in function.methods}
    listed = set(re.findall(r"^\| `([A-Z]+ /[^`]+)` \|", PAGE, re.MULTILINE))

    assert listed == {route for route in routes if "ignored" not in route and "favicon" not in route}
