"""Ray job: `python -m ray_jobs.predict ...`, arguments as those of `maskcls predict`."""

from maskcls.cli.main import job

if __name__ == "__main__":
    job("predict")
