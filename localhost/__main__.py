"""``python -m localhost``: one machine in place of Azure."""

import sys

from localhost.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
