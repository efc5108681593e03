"""`python -m maskcls` is `maskcls`."""

from maskcls.cli.main import entry

if __name__ == "__main__":
    entry()
