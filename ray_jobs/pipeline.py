"""Ray job: `python -m ray_jobs.pipeline ...`: train, then ensemble; as `maskcls pipeline`."""

from maskcls.cli.main import job

if __name__ == "__main__":
    job("pipeline")
