"""`python -m maskcls` is `maskcls`."""

from maskcls.core.processes import leave_current_folder_out

if __name__ == "__main__":
    leave_current_folder_out()
    from maskcls.cli.main import entry

    entry()
