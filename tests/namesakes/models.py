"""Tests of modules whose test file has another name; see tests/tools/structure.py."""

TESTED_IN = {
    "maskcls/models/heads/base.py": "tests/models/test_models_heads.py",
}
