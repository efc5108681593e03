"""Modules of maskcls/folds whose tests are in a file of another name."""

TESTED_IN = {"maskcls/folds/rows.py": "tests/folds/test_splits.py"}
