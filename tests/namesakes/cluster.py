"""Test files of modules of maskcls/cluster that no test file is named after."""

TESTED_IN = {
    "maskcls/cluster/ray_internals/start.py": "tests/cluster/test_stopping.py",
    "maskcls/cluster/ray_internals/submission.py": "tests/cluster/test_ray_internals.py",
    "maskcls/cluster/ray_internals/train.py": "tests/cluster/test_ray_internals.py",
}
