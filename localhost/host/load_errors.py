"""Why an app does not load, in words that help to mend it."""

import traceback
from pathlib import Path


class AppLoadError(Exception):
    """The app cannot be served; the message says where it fails and what to do."""


def explain(error: BaseException, root: Path) -> str:
    """Say in a few lines which file, line and function keep the app from loading, and what to do."""
    message = str(error).split(" Cannot find module. Please check the requirements", maxsplit=1)[0].strip()
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(root)]
    frames = [f for f in frames if ".venv" not in Path(f.filename).parts]
    lines = [f"{type(error).__name__}: {message}"]
    if isinstance(error, SyntaxError) and error.filename:
        lines.append(f"  in {error.filename}, line {error.lineno}")
    elif frames:
        lines.append(f"  in {frames[-1].filename}, line {frames[-1].lineno}, in {frames[-1].name}")
        lines.append(f"    {frames[-1].line}")
    match error:
        case ModuleNotFoundError():
            lines.append("Install the package into this environment, and name it in requirements.txt for Azure.")
        case SyntaxError():
            lines.append("Mend the line; Azure would refuse the app as well.")
        case _ if "invalid non-type annotation" in message:
            lines.append("Annotate a trigger's input with a plain class: str, dict, list or a TypedDict.")
        case _:
            lines.append("The same error would keep the app from loading in Azure.")
    return "\n".join(lines)
