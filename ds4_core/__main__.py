"""`python -m ds4_core COMMAND`: see `ds4_core.cli`."""

import sys

from ds4_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
