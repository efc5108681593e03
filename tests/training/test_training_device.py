"""Precision: which one is taken where, what of a network is in it, and how float16 is scaled."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fold_factory import GREY, Plain, TinyRun, plain_learner, plain_plan
from torch import nn
from torch.amp import GradScaler

from maskcls.config.resolve import resolve
from maskcls.config.schema import Optim
from maskcls.core.errors import GpuFault
from maskcls.models import network as networks
from maskcls.optim import factory
from maskcls.optim.averaging import Ema
from maskcls.pixels.cache import open_cache
from maskcls.training import seeding
from maskcls.training.device import ForwardContext, Precision, dtype_of, pick_device
from maskcls.training.feed import Feed
from maskcls.training.loop import Learner, TrainingDiverged, train_epoch
from maskcls.training.objective import describe
from tests.tasks import MASK

CPU = torch.device("cpu")
ROWS = np.arange(19, dtype=np.int64)
V100, T4, P100, A100 = (7, 0), (7, 5), (6, 0), (8, 0)


@pytest.mark.parametrize(
    ("has_bfloat16", "capability", "wanted"),
    [
        (False, None, torch.float32),
        (True, A100, torch.bfloat16),
        (False, V100, torch.float16),
        (False, T4, torch.float16),
        (False, P100, torch.float32),
    ],
)
def test_auto_is_what_the_device_is_fast_in(
    has_bfloat16: bool, capability: tuple[int, int] | None, wanted: torch.dtype
) -> None:
    assert dtype_of("auto", has_bfloat16, capability) is wanted
    fixed: tuple[Precision, ...] = ("float32", "bfloat16", "float16")
    for precision in fixed:
        assert dtype_of(precision, has_bfloat16, capability) is getattr(torch, precision)


def test_auto_is_float32_on_a_cpu() -> None:
    assert ForwardContext(CPU, "auto", GREY).dtype is torch.float32


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("head", ["single", "branches", "separate"])
def test_the_head_is_float32_whatever_the_backbone_is(precision: Precision, head: str) -> None:
    config = resolve("smoke", sets=["model.backbone=test_efficientnet", f"head.name={head}"])
    torch.manual_seed(1)
    network, normalization = networks.build(
        describe(config, MASK), config.image.size, pretrained=False
    )
    context = ForwardContext(CPU, precision, normalization)
    pixels = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        outputs_BD = context.forward(network.eval(), pixels)
        with torch.autocast("cpu", getattr(torch, precision)):
            found = network.backbone(context.normalize(pixels))
        features = found if isinstance(found, tuple) else (found,)
        assert any(f.dtype is getattr(torch, precision) for f in features)
        expected_BD = network.head(tuple(f.float() for f in features))
    assert torch.equal(outputs_BD, expected_BD)
    low = outputs_BD.to(getattr(torch, precision)).float()
    assert not torch.equal(low, outputs_BD)  # they were not rounded on the way


def learner_of(run: TinyRun, precision: Precision, optim: Optim, **options: Any) -> Learner:
    cached = open_cache(run.job.pixels)
    assert cached is not None
    seeding.seed_torch("initial values", 0)
    model = options.pop("network", None) or Plain()
    context = ForwardContext(CPU, precision, GREY)
    feed = Feed([cached.pixels], CPU, channels_last=False)
    given = {"forward_context": context, "scaler": context.make_scaler()} | options
    return plain_learner(model, factory.build(model, optim), feed, **given)


def train(learner: Learner, lr: float = 0.01) -> list[torch.Tensor]:
    """The weights after an epoch."""
    loss_sum = torch.zeros((), dtype=torch.float64)
    train_epoch(learner, plain_plan(ROWS, lr), 7, 0, loss_sum, lambda *progress: None)
    return [p.detach().clone() for p in learner.network.parameters()]


CASES: list[tuple[Optim, dict[str, Any]]] = [
    (Optim(name="sgd"), {}),
    (Optim(name="sgd"), {"clip_norm": 0.5}),
    (Optim(name="sgd"), {"micro_batch_size": 3}),
    (Optim(name="sam", sam_base="sgd", sam_rho=0.05), {}),
    (Optim(name="sam", sam_base="sgd", sam_rho=0.05), {"clip_norm": 0.5, "micro_batch_size": 3}),
]


@pytest.mark.parametrize(("optim", "options"), CASES)
def test_float16_trains_as_float32_does_but_for_rounding(
    fold_factory: TinyRun, optim: Optim, options: dict[str, Any]
) -> None:
    full = train(learner_of(fold_factory, "float32", optim, **options))
    learner = learner_of(fold_factory, "float16", optim, **options)
    assert learner.scaler.is_enabled()
    half = train(learner)
    assert learner.scaler.get_scale() == 2.0**16  # no update was skipped
    for one, two in zip(full, half, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=2e-3)
    assert not all(torch.equal(one, two) for one, two in zip(full, half, strict=True))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_no_other_precision_scales(fold_factory: TinyRun, precision: Precision) -> None:
    learner = learner_of(fold_factory, precision, Optim(name="sgd"))
    assert not learner.scaler.is_enabled()
    assert learner.scaler_state() == {}
    learner.restore_scaler({})


def test_a_scaler_that_is_off_changes_no_bit(fold_factory: TinyRun) -> None:
    found = train(learner_of(fold_factory, "float32", Optim(name="adam")))
    learner = learner_of(fold_factory, "float32", Optim(name="adam"))
    plan, targets = plain_plan(ROWS), learner.targets
    factory.set_rate(learner.optimizer, 0.01)
    for rows in learner.batches(ROWS, 7):
        (pixels,) = learner.feed.batches([rows])
        learner.optimizer.zero_grad()
        outputs = learner.forward_context.forward(learner.network.train(), pixels)
        own = targets.of(torch.from_numpy(rows))
        loss_B = learner.network.head.loss(outputs, own, plan.losses)
        (loss_B.sum() * (1 / len(rows))).backward()
        learner.optimizer.step()
    plain = [p.detach() for p in learner.network.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(found, plain, strict=True))


class Normed(Plain):
    """With a batch norm, whose statistics a NaN would spoil for good."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.BatchNorm2d(3), self.backbone)


@pytest.mark.parametrize("name", ["sgd", "sam"])
def test_an_update_that_overflows_is_skipped(fold_factory: TinyRun, name: str) -> None:
    average = Ema(0.5)
    learner = learner_of(
        fold_factory, "float16", Optim(name=name, sam_base="sgd"), network=Normed(), average=average
    )
    learner.scaler = GradScaler("cpu", init_scale=2.0**127)
    before = [p.detach().clone() for p in learner.network.parameters()]
    after = train(learner)  # three updates
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert learner.scaler.get_scale() == 2.0**124
    assert not average.is_active()
    assert all(tensor.isfinite().all() for tensor in learner.network.state_dict().values())
    learner.scaler = GradScaler("cpu")
    assert not torch.equal(train(learner)[0], before[0])
    assert average.is_active()


def test_the_scalers_state_is_restored_bit_identical(fold_factory: TinyRun) -> None:
    learner = learner_of(fold_factory, "float16", Optim(name="sgd"))
    learner.scaler = GradScaler("cpu", init_scale=2.0**127)
    train(learner)
    learner.scaler.update(3.0)
    train(learner)
    state = learner.scaler_state()
    assert {name: tensor.item() for name, tensor in state.items()} == {
        "scale": 3.0, "growth_tracker": 3,
    }  # fmt: skip
    other = learner_of(fold_factory, "float16", Optim(name="sgd"))
    other.restore_scaler(state)
    assert other.scaler.state_dict() == learner.scaler.state_dict()
    train(other)  # also after it was in use
    other.restore_scaler(state)
    assert other.scaler.state_dict() == learner.scaler.state_dict()


def test_a_scale_that_only_falls_is_a_failure(fold_factory: TinyRun) -> None:
    learner = learner_of(fold_factory, "float16", Optim(name="sgd"))
    learner.scaler = GradScaler("cpu", init_scale=2.0**-11)
    with pytest.raises(TrainingDiverged, match="float16 gradients overflow at every update"):
        train(learner)


def test_a_float16_fold_trains_and_is_what_predicts(tmp_path: Path) -> None:
    from fold_factory import Notes

    from maskcls.training.fold import run_fold
    from maskcls.training.job import PredictJob
    from maskcls.training.prediction import predict_images
    from maskcls.training.rank import Alone

    run = TinyRun.write(tmp_path, ["train.precision=float16", "train.epochs=1"])
    done = run_fold(run.job, Alone(), Notes())
    assert run.job.eval_pixels is not None
    job = PredictJob(run.checkpoints.location, done.checkpoint, run.job.eval_pixels, "cpu", 1)
    np.testing.assert_array_equal(predict_images(job)[1], run.logits("eval_logits.parquet")[1])


def test_cuda_without_a_gpu_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(GpuFault, match="maskcls doctor"):
        pick_device("cuda")
