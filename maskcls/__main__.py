"""`python -m maskcls` is `maskcls`."""

import sys

from maskcls.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
