"""Modules of ray_jobs: one test for all."""

TESTED_IN = {
    "ray_jobs/pipeline.py": "tests/test_ray_jobs.py",
    "ray_jobs/train.py": "tests/test_ray_jobs.py",
}
