"""Modules of maskcls/demo whose tests are in a file of another name."""

TESTED_IN = {
    "maskcls/demo/canvas.py": "tests/demo/test_demo_drawing.py",
    "maskcls/demo/masks.py": "tests/demo/test_demo_drawing.py",
}
