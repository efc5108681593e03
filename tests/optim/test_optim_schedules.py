"""The learning rate at each point of a training, against torch's and timm's schedulers."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.scheduler import CosineLRScheduler, MultiStepLRScheduler, StepLRScheduler
from torch.optim import lr_scheduler

from maskcls.config.schema import Optim
from maskcls.optim.schedules import WARMUP_START, rate_at

EPOCHS, STEPS = 20, 7  # updates an epoch
POINTS = [step / STEPS for step in range(EPOCHS * STEPS)]
SCHEDULES = ("step", "multistep", "cosine", "restarts", "onecycle", "constant")


def sgd(lr: float) -> torch.optim.SGD:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)


def torch_rates(lr: float, make: Callable[[Any], Any], num_steps: int) -> list[float]:
    """The rates of the first num_steps steps of a torch scheduler."""
    optimizer = sgd(lr)
    schedule = make(optimizer)
    rates = []
    for _ in range(num_steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def timm_rate(schedule: Any, epoch: int) -> float:
    schedule.step(epoch)
    return float(schedule.optimizer.param_groups[0]["lr"])


def test_rates_of_the_reports_recipe() -> None:
    recipe = Optim(lr=1e-3, gamma=0.794)
    assert rate_at(recipe, 20, 0) == 1e-3
    assert rate_at(recipe, 20, 19) == pytest.approx(1.249e-5, rel=5e-4)
    assert rate_at(recipe, 20, 19.99) == rate_at(recipe, 20, 19)
    assert rate_at(recipe, 20, 20) == pytest.approx(9.9e-6, rel=5e-3)


def test_step_is_torchs_step_lr_all_through_each_epoch() -> None:
    rates = torch_rates(0.5, lambda o: lr_scheduler.StepLR(o, step_size=1, gamma=0.9), EPOCHS)
    ours = [rate_at(Optim(lr=0.5, gamma=0.9), EPOCHS, point) for point in POINTS]
    assert ours == pytest.approx([rate for rate in rates for _ in range(STEPS)])


@pytest.mark.parametrize("milestones", [(10, 15), (1, 2, 19), (30,)])
def test_multistep_is_torchs_multi_step_lr(milestones: tuple[int, ...]) -> None:
    optim = Optim(schedule="multistep", lr=0.5, gamma=0.1, milestones=milestones)
    rates = torch_rates(
        0.5, lambda o: lr_scheduler.MultiStepLR(o, list(milestones), gamma=0.1), EPOCHS
    )
    ours = [rate_at(optim, EPOCHS, point) for point in POINTS]
    assert ours == pytest.approx([rate for rate in rates for _ in range(STEPS)])


@pytest.mark.parametrize("min_lr", [0.0, 0.01])
def test_cosine_is_torchs_cosine_annealing_lr(min_lr: float) -> None:
    optim = Optim(schedule="cosine", lr=0.5, min_lr=min_lr)
    rates = torch_rates(
        0.5, lambda o: lr_scheduler.CosineAnnealingLR(o, EPOCHS * STEPS, min_lr), EPOCHS * STEPS
    )
    assert [rate_at(optim, EPOCHS, point) for point in POINTS] == pytest.approx(rates)
    assert rate_at(optim, EPOCHS, EPOCHS) == min_lr


@pytest.mark.parametrize("restart_epochs", [1, 6, 10, 25])
def test_restarts_are_torchs_cosine_annealing_warm_restarts(restart_epochs: int) -> None:
    optim = Optim(schedule="restarts", lr=0.5, min_lr=0.01, restart_epochs=restart_epochs)
    optimizer = sgd(0.5)
    schedule = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, restart_epochs, eta_min=0.01)
    for point in POINTS:
        schedule.step(point)
        assert rate_at(optim, EPOCHS, point) == pytest.approx(optimizer.param_groups[0]["lr"])


def test_onecycle_is_torchs_curve() -> None:
    total = EPOCHS * STEPS
    rates = torch_rates(
        0.5,
        lambda o: lr_scheduler.OneCycleLR(o, 0.5, total_steps=total, cycle_momentum=False),
        total,
    )
    # torch reaches the top at step 0.3 * total - 1 and the bottom at step total - 1, each one
    # early; the same curve over the whole of 0 to 1 is ours.
    top = 0.3 * total - 1
    for step, rate in enumerate(rates):
        share = 0.3 * step / top if step < top else 0.3 + 0.7 * (step - top) / (total - 1 - top)
        ours = rate_at(Optim(schedule="onecycle", lr=0.5), EPOCHS, EPOCHS * min(share, 1.0))
        assert ours == pytest.approx(rate, rel=1e-9)


def test_onecycle_differs_from_torchs_by_less_than_a_step_does() -> None:
    total = 10_000
    rates = torch_rates(
        1.0,
        lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=total, cycle_momentum=False),
        total,
    )
    largest_step = max(abs(a - b) for a, b in pairwise(rates))
    optim = Optim(schedule="onecycle", lr=1.0)
    ours = [rate_at(optim, EPOCHS, EPOCHS * step / total) for step in range(total)]
    assert max(abs(a - b) for a, b in zip(ours, rates, strict=True)) < 1.01 * largest_step


def test_warmup_is_torchs_linear_lr() -> None:
    optim = Optim(schedule="constant", lr=0.5, warmup_epochs=3)
    rates = torch_rates(
        0.5,
        lambda o: lr_scheduler.LinearLR(o, start_factor=WARMUP_START, total_iters=3 * STEPS),
        EPOCHS * STEPS,
    )
    assert [rate_at(optim, EPOCHS, point) for point in POINTS] == pytest.approx(rates)


@pytest.mark.parametrize("cycles", [1, 4])
def test_cosine_and_restarts_begin_when_the_warmup_ends_as_in_timm(cycles: int) -> None:
    name = "cosine" if cycles == 1 else "restarts"
    length = (EPOCHS - 4) // cycles
    optim = Optim(schedule=name, lr=0.5, min_lr=0.01, restart_epochs=length, warmup_epochs=4)  # type: ignore[arg-type]
    schedule = CosineLRScheduler(
        sgd(0.5), t_initial=length, lr_min=0.01, cycle_limit=cycles, warmup_t=4,
        warmup_lr_init=0.5 * WARMUP_START, warmup_prefix=True,
    )  # fmt: skip
    for epoch in range(EPOCHS):
        assert rate_at(optim, EPOCHS, epoch) == pytest.approx(timm_rate(schedule, epoch))


def test_the_clock_of_step_runs_during_the_warmup_as_in_timm() -> None:
    optim = Optim(schedule="step", lr=0.5, gamma=0.9, warmup_epochs=4)
    schedule = StepLRScheduler(sgd(0.5), decay_t=1, decay_rate=0.9, warmup_t=4, warmup_prefix=False)
    for epoch in range(4, EPOCHS):
        assert rate_at(optim, EPOCHS, epoch) == pytest.approx(timm_rate(schedule, epoch))


def test_the_clock_of_multistep_runs_during_the_warmup_as_in_timm() -> None:
    optim = Optim(schedule="multistep", lr=0.5, gamma=0.1, milestones=(3, 9), warmup_epochs=4)
    # timm says of itself that its milestones come an epoch earlier than torch's.
    schedule = MultiStepLRScheduler(
        sgd(0.5), decay_t=[4, 10], decay_rate=0.1, warmup_t=4, warmup_prefix=False
    )
    for epoch in range(4, EPOCHS):
        assert rate_at(optim, EPOCHS, epoch) == pytest.approx(timm_rate(schedule, epoch))


optims = st.builds(
    Optim,
    schedule=st.sampled_from(SCHEDULES),
    lr=st.floats(1e-6, 10),
    gamma=st.floats(0.5, 1),
    milestones=st.sampled_from([(1,), (2, 3), (5, 10, 15)]),
    min_lr=st.floats(0, 1e-6, exclude_max=True),
    restart_epochs=st.integers(1, 12),
    warmup_epochs=st.floats(0, 1, exclude_max=True),
)


@settings(deadline=None, max_examples=30)
@given(optim=optims, epochs=st.integers(1, 30), num_steps=st.integers(1, 400), data=st.data())
def test_every_rate_is_positive_and_at_most_lr(
    optim: Optim, epochs: int, num_steps: int, data: st.DataObject
) -> None:
    updates = st.integers(0, epochs * num_steps - 1)
    for update in [0, epochs * num_steps - 1, *data.draw(st.lists(updates, max_size=20))]:
        assert 0 < rate_at(optim, epochs, update / num_steps) <= optim.lr


@pytest.mark.parametrize("name", SCHEDULES[:4])
def test_without_a_warmup_the_first_update_has_the_highest_rate(name: Any) -> None:
    assert rate_at(Optim(schedule=name, lr=0.3, min_lr=0.1), 5, 0) == 0.3


def test_a_warmup_may_end_within_an_epoch() -> None:
    optim = Optim(schedule="constant", lr=0.5, warmup_epochs=0.5)
    assert rate_at(optim, 2, 0.25) == pytest.approx(0.5 * (1 + WARMUP_START) / 2)
    assert rate_at(optim, 2, 0.5) == 0.5
