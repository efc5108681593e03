"""A finished fold's network on other images."""

from dataclasses import replace

import numpy as np
import pytest
from fold_factory import Notes, TinyRun

from maskcls.core.errors import UserError
from maskcls.training.fold import run_fold
from maskcls.training.job import PredictJob
from maskcls.training.prediction import predict_images
from maskcls.training.rank import Alone


class TestFinishedFold:
    @pytest.fixture
    def job(self, fold_factory: TinyRun) -> PredictJob:
        run_fold(fold_factory.job, Alone(), Notes())
        name = TestFinishedFold.best(fold_factory)
        assert fold_factory.job.eval_pixels is not None
        return PredictJob(
            fold_factory.checkpoints.location, name, fold_factory.job.eval_pixels, "cpu", 1
        )

    @staticmethod
    def best(run: TinyRun) -> str:
        done = run.files.result()
        assert done is not None
        return str(done.checkpoint)

    def test_predicts_what_the_fold_predicted(self, fold_factory: TinyRun, job: PredictJob) -> None:
        rows, logits = predict_images(job)
        expected_rows, expected = fold_factory.logits("eval_logits.parquet")
        assert np.array_equal(rows, expected_rows)
        assert np.array_equal(logits, expected)

    def test_held_out_logits_are_those_of_the_kept_network(
        self, fold_factory: TinyRun, job: PredictJob
    ) -> None:
        rows, logits = predict_images(replace(job, pixels=fold_factory.job.pixels))
        done = fold_factory.files.result()
        assert done is not None
        name = fold_factory.files.held_out_name(done.best_epoch)
        held_out, expected = fold_factory.logits(name)
        np.testing.assert_allclose(logits[np.isin(rows, held_out)], expected, atol=1e-5)

    def test_damaged_checkpoint_is_refused(self, fold_factory: TinyRun, job: PredictJob) -> None:
        path = fold_factory.checkpoints.local_path / job.name / "model.safetensors"
        data = bytearray(path.read_bytes())
        data[-5] ^= 1
        path.write_bytes(data)
        with pytest.raises(UserError, match=r"damaged .* checksum"):
            predict_images(job)

    def test_pixels_of_another_geometry_are_refused(self, job: PredictJob) -> None:
        from maskcls.config.values import Size

        geometry = replace(job.pixels.geometry, size=Size(16, 16))
        with pytest.raises(RuntimeError, match=r"trained at .*32x32.*16x16"):
            predict_images(replace(job, pixels=replace(job.pixels, geometry=geometry)))
