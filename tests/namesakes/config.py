"""Modules of maskcls/config whose tests are in a file of another name."""

TESTED_IN = {
    "maskcls/config/layers.py": "tests/config/test_config_resolve.py",
    "maskcls/config/schema.py": "tests/config/test_config_resolve.py",
}
