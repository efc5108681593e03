"""Test files of modules of maskcls/commands that no test file is named after."""

TESTED_IN = {
    "maskcls/commands/doctor/machine.py": "tests/commands/test_doctor.py",
    "maskcls/commands/doctor/ray_works.py": "tests/commands/test_doctor.py",
    "maskcls/commands/doctor/software.py": "tests/commands/test_doctor.py",
    "maskcls/commands/doctor/torch_works.py": "tests/commands/test_doctor.py",
    "maskcls/commands/lr_find.py": "tests/end_to_end/test_recipes.py",
    "maskcls/commands/submit/source.py": "tests/commands/submit/test_submit_sent.py",
    "maskcls/commands/train.py": "tests/end_to_end/test_main_job.py",
}
