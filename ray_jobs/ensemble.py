"""Ray job: `python -m ray_jobs.ensemble ...`, arguments as those of `maskcls ensemble`."""

from maskcls.cli.main import job

if __name__ == "__main__":
    job("ensemble")
