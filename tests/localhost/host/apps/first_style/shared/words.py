"""What the app says."""

import os
from pathlib import Path

import own_package


def greeting(name: str) -> str:
    """Greet with the word that the settings give and the mark in a file beside the app."""
    mark = Path("mark.txt").read_text(encoding="utf-8").strip()
    return f"{os.environ['GREETING']} {own_package.polite(name)}{mark}"
