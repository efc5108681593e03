"""Ray job: `python -m ray_jobs.tune ...`, arguments as those of `maskcls tune`."""

from maskcls.cli.main import job

if __name__ == "__main__":
    job("tune")
