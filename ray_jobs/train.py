"""Ray job: `python -m ray_jobs.train ...`, arguments as those of `maskcls train`."""

from maskcls.cli.main import job

if __name__ == "__main__":
    job("train")
