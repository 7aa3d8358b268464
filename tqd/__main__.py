"""`python -m tqd` is the `tqd` command."""

import sys

from tqd.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
