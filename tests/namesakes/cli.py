"""Modules of maskcls/cli whose tests are in a file of another name."""

TESTED_IN = {
    "maskcls/cli/streams.py": "tests/cli/test_main.py",
    "maskcls/cli/status_text.py": "tests/commands/test_status.py",
    "maskcls/cli/verbs/base.py": "tests/cli/test_verbs.py",
    "maskcls/cli/verbs/demo.py": "tests/cli/test_verbs.py",
    "maskcls/cli/verbs/lr_find.py": "tests/cli/test_verbs.py",
    "maskcls/cli/verbs/pipeline.py": "tests/cli/test_verbs.py",
    "maskcls/cli/verbs/score.py": "tests/cli/test_verbs.py",
    "maskcls/cli/verbs/submit.py": "tests/commands/submit/test_submit_sent.py",
    "maskcls/cli/verbs/train.py": "tests/cli/test_verbs.py",
}
