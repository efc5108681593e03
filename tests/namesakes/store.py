"""Modules of maskcls/store whose tests are in a file of another name."""

TESTED_IN = {
    "maskcls/store/lease_holder.py": "tests/store/test_lease.py",
    "maskcls/store/results.py": "tests/store/test_run.py",
}
