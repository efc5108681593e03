"""Tests of modules whose test file has another name; see tests/tools/structure.py."""

TESTED_IN = {
    "maskcls/augment/base.py": "tests/augment/test_augment_transforms.py",
}
