"""JSON as the authors of ``host.json`` and ``local.settings.json`` write it: with comments, and a comma too many.

The platform's own tools read both.
"""

import json
import re
from typing import Any

_STRING = r'"(?:\\.|[^"\\])*"'
_COMMENT = re.compile(rf"({_STRING})|//[^\n]*|/\*.*?\*/", re.DOTALL)
_LAST_COMMA = re.compile(rf"({_STRING})|,(?=\s*[}}\]])", re.DOTALL)


def loads(text: str) -> Any:
    """Return what ``text`` says.

    Raises:
        ValueError: it is not JSON even so; line and column are those of ``text``.
    """
    for noise in (_COMMENT, _LAST_COMMA):
        text = noise.sub(_blank, text)
    return json.loads(text)


def _blank(found: re.Match[str]) -> str:
    """Return a string as it is, and anything else as blanks, so that all else stays where it was."""
    return found[1] or re.sub(r"[^\n]", " ", found[0])
