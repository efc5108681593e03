"""Modules of maskcls/evaluation whose tests are in a file of another name."""

TESTED_IN = {"maskcls/evaluation/fold_logits.py": "tests/evaluation/test_out_of_fold.py"}
