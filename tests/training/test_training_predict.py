"""Every row's logits once, in order; and a finished fold's network on other photos."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_run import WHOLE, Notes, Plain, TinyRun

from maskcls.core.errors import UserError
from maskcls.models.backbone import Normalization
from maskcls.pixels.cache import open_cache
from maskcls.training import evaluate
from maskcls.training.device import Arithmetic, pick_device
from maskcls.training.feed import Feed
from maskcls.training.fold import run_fold
from maskcls.training.job import PredictJob
from maskcls.training.predict import predict_photos
from maskcls.training.rank import Alone

CPU = torch.device("cpu")
GREY = Normalization((0.5, 0.4, 0.3), (0.25, 0.5, 0.2))


@pytest.mark.parametrize("batch_size", [1, 4, 7, 100])
def test_rows_come_back_once_and_in_order(tiny_run: TinyRun, batch_size: int) -> None:
    cached = open_cache(tiny_run.job.pixels)
    assert cached is not None
    rows = np.array([30, 2, 3, 17, 8, 9, 0], np.int64)
    model, arithmetic = Plain(), Arithmetic(CPU, "float32", GREY)
    feed = Feed([cached.pixels], CPU, channels_last=False)
    found = evaluate.predict(model, feed, rows, batch_size, Alone(), arithmetic, WHOLE)
    pixels = cached.pixels[rows].astype(np.float64).transpose(0, 3, 1, 2) / 255
    mean, std = (np.array(x).reshape(1, 3, 1, 1) for x in (GREY.mean, GREY.std))
    with torch.inference_mode():
        expected = model(torch.from_numpy((pixels - mean) / std).float()).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_no_rows_give_no_logits(tiny_run: TinyRun) -> None:
    cached = open_cache(tiny_run.job.pixels)
    assert cached is not None
    feed = Feed([cached.pixels], CPU, channels_last=False)
    none = np.empty(0, np.int64)
    arithmetic = Arithmetic(CPU, "float32", GREY)
    assert evaluate.predict(Plain(), feed, none, 4, Alone(), arithmetic, WHOLE).shape == (0, 18)


def test_bfloat16_gives_float32_near_float32(tiny_run: TinyRun) -> None:
    cached = open_cache(tiny_run.job.pixels)
    assert cached is not None
    feed, rows = Feed([cached.pixels], CPU, channels_last=False), np.arange(6)
    model = Plain()
    full, half = (
        evaluate.predict(model, feed, rows, 4, Alone(), Arithmetic(CPU, precision, GREY), WHOLE)
        for precision in ("float32", "bfloat16")
    )
    assert full.dtype == half.dtype == np.float32
    assert not np.array_equal(full, half)
    np.testing.assert_allclose(full, half, atol=0.1)


def test_cuda_without_a_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="maskcls doctor"):
        pick_device("cuda")


class TestFinishedFold:
    @pytest.fixture
    def job(self, tiny_run: TinyRun) -> PredictJob:
        run_fold(tiny_run.job, Alone(), Notes())
        name = TestFinishedFold.best(tiny_run)
        assert tiny_run.job.eval_pixels is not None
        return PredictJob(tiny_run.checkpoints.location, name, tiny_run.job.eval_pixels, "cpu", 1)

    @staticmethod
    def best(run: TinyRun) -> str:
        import json

        return str(json.loads(run.read("fold.json"))["checkpoint"])

    def test_predicts_what_the_fold_predicted(self, tiny_run: TinyRun, job: PredictJob) -> None:
        rows, logits = predict_photos(job)
        expected_rows, expected = tiny_run.logits("eval.parquet")
        assert np.array_equal(rows, expected_rows)
        assert np.array_equal(logits, expected)

    def test_held_out_logits_are_those_of_the_kept_network(
        self, tiny_run: TinyRun, job: PredictJob
    ) -> None:
        rows, logits = predict_photos(replace(job, pixels=tiny_run.job.pixels))
        held_out, expected = tiny_run.logits("held_out.parquet")
        np.testing.assert_allclose(logits[np.isin(rows, held_out)], expected, atol=1e-5)

    def test_damaged_checkpoint_is_refused(self, tiny_run: TinyRun, job: PredictJob) -> None:
        path = tiny_run.checkpoints.local_path / job.name / "model.safetensors"
        data = bytearray(path.read_bytes())
        data[-5] ^= 1
        path.write_bytes(data)
        with pytest.raises(UserError, match=r"damaged .* checksum"):
            predict_photos(job)

    def test_pixels_of_another_geometry_are_refused(self, job: PredictJob) -> None:
        from maskcls.config.sizes import Size

        geometry = replace(job.pixels.geometry, size=Size(16, 16))
        with pytest.raises(RuntimeError, match=r"trained at .*32x32.*16x16"):
            predict_photos(replace(job, pixels=replace(job.pixels, geometry=geometry)))
