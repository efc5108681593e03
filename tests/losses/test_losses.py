"""What every loss promises; a new file is tested here before it has a test of its own.

Each is built with its defaults, and once for each value of each setting that is a choice.
"""

import ast
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_factory import batch, mixed, one_hot

from maskcls.config import parts
from maskcls.losses.base import Loss, LossContext

NAMES = parts.choices("loss.name")
CLASSES = (18, 3, 2)


@dataclass(frozen=True)
class Case:
    """A loss with some of its settings."""

    module: ModuleType
    values: dict[str, Any]

    @property
    def is_of_rows(self) -> bool:
        return not getattr(self.module, "WHOLE_BATCH", False)

    def build(self, rows: LossContext) -> Loss:
        loss: Loss = self.module.build(self.module.Settings(**self.values), rows)
        return loss

    def __str__(self) -> str:
        return "-".join([self.module.__name__.rsplit(".", 1)[1], *map(str, self.values.values())])


def cases() -> Iterator[Case]:
    for name in NAMES:
        module = parts.load("loss.name", name)
        yield Case(module, {})
        hints = get_type_hints(module.Settings)
        for field in dataclasses.fields(module.Settings):
            if get_origin(hints[field.name]) is Literal:
                for value in get_args(hints[field.name]):
                    if value != field.default:
                        yield Case(module, {field.name: value})


CASES = list(cases())
OF_ROWS = [case for case in CASES if case.is_of_rows]


def counts_of(num_classes: int) -> list[LossContext]:
    """The same for all, very unequal, and two classes without any rows (one, of two classes)."""
    equal = (10,) * num_classes
    skewed = tuple(5000 // 3**k + 1 for k in range(num_classes))
    missing = (0, *skewed[1:-1], 0) if num_classes > 2 else (0, 7)
    return [LossContext(counts) for counts in (equal, skewed, missing)]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("num_classes", CLASSES)
@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0, 1e4])
def test_loss_and_gradients_are_finite(case: Case, num_classes: int, scale: float) -> None:
    logits_BK, target_B = batch(0, num_classes, scale=scale)
    logits_BK.requires_grad_()
    for rows in counts_of(num_classes):
        for target_BK in (one_hot(target_B, num_classes), mixed(0, num_classes)):
            loss_B = case.build(rows)(logits_BK, target_BK)
            (gradient_BK,) = torch.autograd.grad(loss_B.sum(), logits_BK)
            assert loss_B.shape == target_B.shape
            assert loss_B.dtype == torch.float32
            assert loss_B.isfinite().all()
            assert (loss_B >= 0).all()
            assert gradient_BK.isfinite().all()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_gradient_is_that_of_the_loss(case: Case) -> None:
    logits_BK, target_BK = batch(1, 3, num_rows=4)[0].double(), mixed(1, 3, num_rows=4).double()
    loss = case.build(LossContext((50, 5, 1)))
    assert torch.autograd.gradcheck(loss, (logits_BK.requires_grad_(), target_BK))


@pytest.mark.parametrize("case", CASES, ids=str)
@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=10)
def test_order_of_the_rows_does_not_matter(case: Case, seed: int) -> None:
    logits_BK, target_BK = batch(seed)[0], mixed(seed)
    order = torch.randperm(len(target_BK), generator=torch.Generator().manual_seed(seed))
    loss = case.build(LossContext((1, 2, 30, 0, 5, 6)))
    torch.testing.assert_close(
        loss(logits_BK[order], target_BK[order]), loss(logits_BK, target_BK)[order]
    )


@pytest.mark.parametrize("case", OF_ROWS, ids=str)
def test_rows_do_not_know_of_each_other(case: Case) -> None:
    logits_BK, target_BK = batch(1)[0], mixed(1)
    loss = case.build(LossContext((1, 2, 30, 0, 5, 6)))
    alone = [loss(logits_BK[i : i + 1], target_BK[i : i + 1]) for i in range(len(target_BK))]
    torch.testing.assert_close(torch.cat(alone), loss(logits_BK, target_BK))


@pytest.mark.parametrize("case", [case for case in CASES if not case.is_of_rows], ids=str)
def test_a_loss_of_the_batch_gives_every_row_the_same_number(case: Case) -> None:
    loss_B = case.build(LossContext((1,) * 6))(batch(1)[0], mixed(1))
    assert (loss_B == loss_B[0]).all()


@pytest.mark.parametrize("case", OF_ROWS, ids=str)
@given(st.integers(0, 10**6), st.floats(0, 1, width=32), st.sampled_from(CLASSES))
@settings(deadline=None, max_examples=10)
def test_a_mixed_target_gives_the_mix_of_the_losses(
    case: Case, seed: int, share: float, num_classes: int
) -> None:
    logits_BK, first_B = batch(seed, num_classes)
    first_BK, second_BK = one_hot(first_B, num_classes), mixed(seed, num_classes)
    loss = case.build(counts_of(num_classes)[1])
    torch.testing.assert_close(
        loss(logits_BK, share * first_BK + (1 - share) * second_BK),
        share * loss(logits_BK, first_BK) + (1 - share) * loss(logits_BK, second_BK),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("num_classes", CLASSES)
def test_float32_agrees_with_float64(case: Case, num_classes: int) -> None:
    logits_BK, target_BK = batch(2, num_classes)[0], mixed(2, num_classes)
    loss = case.build(counts_of(num_classes)[2])
    double_B = loss(logits_BK.double(), target_BK.double())
    assert double_B.dtype == torch.float64
    torch.testing.assert_close(loss(logits_BK, target_BK).double(), double_B, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("num_classes", CLASSES)
def test_the_true_class_is_rewarded(case: Case, num_classes: int) -> None:
    target_KK = torch.eye(num_classes)
    loss = case.build(counts_of(num_classes)[1])
    right_K = loss(5 * target_KK, target_KK)
    assert (right_K < loss(5 * target_KK.roll(1, 0), target_KK)).all()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_neither_argument_is_written_to(case: Case) -> None:
    logits_BK, target_BK = batch(3)[0], mixed(3)
    before = logits_BK.clone(), target_BK.clone()
    case.build(LossContext((1, 2, 30, 0, 5, 6)))(logits_BK, target_BK)
    assert torch.equal(logits_BK, before[0])
    assert torch.equal(target_BK, before[1])


@pytest.mark.parametrize("name", NAMES)
def test_the_file_names_a_paper(name: str) -> None:
    path = Path(parts.load("loss.name", name).__file__ or "")
    assert "arXiv:" in (ast.get_docstring(ast.parse(path.read_text())) or "")
