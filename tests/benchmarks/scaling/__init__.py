"""Simulations behind docs/scaling.md, a file for each of NAMES; `run` is what the command line calls.

Each has SIZES in ascending order, a NAME for its lines in docs/scaling.jsonl, and measure(size, seconds,
folder): how big, how long it may take where it can choose, and an empty folder of its own. It returns
what `steps.Steps.result` does.
"""

NAMES = ("nodes", "table", "folds", "out_of_fold", "ensemble", "search")
