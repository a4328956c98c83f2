"""Which of an app's functions run here: not those that are switched off, nor those left out by name."""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from localhost.host.functions import Function
from localhost.host.load_errors import AppLoadError

# Where a name may not have dots, as in many shells, two underscores stand for one; so it is on the platform.
_SETTING = re.compile(r"AzureWebJobs(?:\.|__)(.+)(?:\.|__)Disabled", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Selection:
    """The functions that run, and those that an app setting switches off."""

    running: Sequence[Function]
    disabled: Sequence[Function] = ()


def select(functions: Sequence[Function], only: Collection[str], environ: Mapping[str, str] = os.environ) -> Selection:
    """Return what runs: all of ``functions``, or ``only`` those named, without what the settings disable.

    Raises:
        AppLoadError: there is no function of a name in ``only``.
    """
    wanted = {name.lower() for name in only}
    if unknown := wanted - {f.name.lower() for f in functions}:
        known = ", ".join(sorted(f.name for f in functions))
        raise AppLoadError(f"There is no function {', '.join(sorted(unknown))}.\nThe app has: {known}.")
    off = {
        found[1].lower()
        for name, value in environ.items()
        if (found := _SETTING.fullmatch(name)) and value.strip().lower() in {"true", "1"}
    }
    chosen = [f for f in functions if not wanted or f.name.lower() in wanted]
    return Selection([f for f in chosen if f.name.lower() not in off], [f for f in chosen if f.name.lower() in off])
