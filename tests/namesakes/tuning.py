"""Test files of modules of maskcls/tuning that no test file is named after."""

TESTED_IN = {
    "maskcls/tuning/finalists.py": "tests/tuning/test_backoff.py",
    "maskcls/tuning/first_fold.py": "tests/tuning/test_backoff.py",
    "maskcls/tuning/trial_runs.py": "tests/end_to_end/test_tune.py",
    "maskcls/tuning/trial_table.py": "tests/tuning/test_backoff.py",
}
