"""Ray job: `python -m ray_jobs.study ...`, arguments as those of `maskcls study`."""

from maskcls.cli.main import job

if __name__ == "__main__":
    job("study")
