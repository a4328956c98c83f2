"""``python -m localhost``: one machine in place of Azure. From another folder: ``python /path/to/localhost``."""

import sys
from pathlib import Path

if not __package__:  # run as a folder: what is in it is then found in place of the package itself
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from localhost.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
