"""Every row's logits once, in order; and a finished fold's network on other images."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fold_factory import WHOLE, Notes, Plain, TinyRun

from maskcls.core.errors import GpuFault, UserError
from maskcls.models.backbone import Normalization
from maskcls.pixels.cache import open_cache
from maskcls.training import evaluate
from maskcls.training.device import ForwardContext, pick_device
from maskcls.training.feed import Feed
from maskcls.training.fold import run_fold
from maskcls.training.job import PredictJob
from maskcls.training.prediction import predict_images
from maskcls.training.rank import Alone

CPU = torch.device("cpu")
GREY = Normalization((0.5, 0.4, 0.3), (0.25, 0.5, 0.2))


@pytest.mark.parametrize("batch_size", [1, 4, 7, 100])
def test_rows_come_back_once_and_in_order(fold_factory: TinyRun, batch_size: int) -> None:
    cached = open_cache(fold_factory.job.pixels)
    assert cached is not None
    rows = np.array([30, 2, 3, 17, 8, 9, 0], np.int64)
    model, forward_context = Plain(), ForwardContext(CPU, "float32", GREY)
    feed = Feed([cached.pixels], CPU, channels_last=False)
    found = evaluate.predict(model, feed, rows, batch_size, Alone(), forward_context, WHOLE)
    pixels = cached.pixels[rows].astype(np.float64).transpose(0, 3, 1, 2) / 255
    mean, std = (np.array(x).reshape(1, 3, 1, 1) for x in (GREY.mean, GREY.std))
    with torch.inference_mode():
        expected = model(torch.from_numpy((pixels - mean) / std).float()).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_no_rows_give_no_logits(fold_factory: TinyRun) -> None:
    cached = open_cache(fold_factory.job.pixels)
    assert cached is not None
    feed = Feed([cached.pixels], CPU, channels_last=False)
    none = np.empty(0, np.int64)
    forward_context = ForwardContext(CPU, "float32", GREY)
    assert evaluate.predict(Plain(), feed, none, 4, Alone(), forward_context, WHOLE).shape == (
        0,
        18,
    )


def test_bfloat16_gives_float32_near_float32(fold_factory: TinyRun) -> None:
    cached = open_cache(fold_factory.job.pixels)
    assert cached is not None
    feed, rows = Feed([cached.pixels], CPU, channels_last=False), np.arange(6)
    model = Plain()
    full, half = (
        evaluate.predict(model, feed, rows, 4, Alone(), ForwardContext(CPU, precision, GREY), WHOLE)
        for precision in ("float32", "bfloat16")
    )
    assert full.dtype == half.dtype == np.float32
    assert not np.array_equal(full, half)
    np.testing.assert_allclose(full, half, atol=0.1)


def test_cuda_without_a_gpu_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(GpuFault, match="maskcls doctor"):
        pick_device("cuda")


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
