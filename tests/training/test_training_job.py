"""Jobs as they travel to workers."""

from dataclasses import replace
from pathlib import Path

from fold_factory import TinyRun


def test_all_pixels_move_to_another_root_and_nothing_else_changes(
    fold_factory: TinyRun, tmp_path: Path
) -> None:
    job = replace(fold_factory.job, extra_pixels=None)
    moved = job.with_cache_at(tmp_path / "other")
    assert moved.pixels == replace(job.pixels, root=tmp_path / "other")
    assert job.eval_pixels is not None
    assert moved.eval_pixels == replace(job.eval_pixels, root=tmp_path / "other")
    assert moved.extra_pixels is None
    assert replace(moved, pixels=job.pixels, eval_pixels=job.eval_pixels) == job


def test_no_repr_shows_a_location_which_may_carry_credentials(fold_factory: TinyRun) -> None:
    job = replace(fold_factory.job, run="s3://key:secret@bucket/run", data="s3://key:secret@b/data")
    assert "secret" not in repr(job)
