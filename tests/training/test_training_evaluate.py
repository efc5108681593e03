"""Every row's logits once, in order; and the views of test-time augmentation."""

import numpy as np
import pytest
import torch
from fold_factory import WHOLE, Plain, TinyRun

from maskcls.config.schema import Tta
from maskcls.models.backbone import Normalization
from maskcls.pixels.cache import open_cache
from maskcls.training import evaluate
from maskcls.training.device import ForwardContext
from maskcls.training.feed import Feed
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


def test_without_tta_the_only_view_is_the_batch_itself() -> None:
    pixels = torch.arange(2 * 3 * 4 * 6, dtype=torch.uint8).view(2, 3, 4, 6)
    (view,) = evaluate.views(pixels, WHOLE)
    assert view is pixels


def test_with_crops_and_flip_each_view_has_the_shape_of_the_batch_and_a_mirror_image() -> None:
    pixels = torch.arange(2 * 3 * 4 * 6, dtype=torch.uint8).view(2, 3, 4, 6)
    views = list(evaluate.views(pixels, Tta(flip=True, crops=5, share=0.5)))
    assert len(views) == 10
    assert all(view.shape == pixels.shape for view in views)
    for view, mirrored in zip(views[::2], views[1::2], strict=True):
        assert torch.equal(mirrored, view.flip(3))


def test_logits_are_the_mean_over_the_views(fold_factory: TinyRun) -> None:
    cached = open_cache(fold_factory.job.pixels)
    assert cached is not None
    feed, rows = Feed([cached.pixels], CPU, channels_last=False), np.arange(4)
    model, context = Plain(), ForwardContext(CPU, "float32", GREY)
    settings = Tta(flip=True)
    found = evaluate.predict(model, feed, rows, 4, Alone(), context, settings)
    (batch,) = feed.batches([rows])
    with torch.inference_mode():
        each = [model.head.logits(context.forward(model, v)) for v in (batch, batch.flip(3))]
    np.testing.assert_allclose(found, torch.stack(each).mean(dim=0).numpy(), rtol=1e-6)
