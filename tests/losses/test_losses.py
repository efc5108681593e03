"""What every loss promises, and cross entropy against its formula."""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from maskcls.config import parts
from maskcls.core.labels import NUM_CLASSES
from maskcls.losses import cross_entropy
from maskcls.losses.base import Loss

NAMES = parts.choices("loss.name")


def make(name: str) -> Loss:
    module = parts.load("loss.name", name)
    loss: Loss = module.build(module.Settings())
    return loss


def rows(seed: int, num: int = 6, scale: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits_BK = scale * torch.randn(num, NUM_CLASSES, generator=generator)
    return logits_BK, torch.randint(NUM_CLASSES, (num,), generator=generator)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0, 1e4])
def test_gradients_are_finite(name: str, scale: float) -> None:
    logits_BK, target_B = rows(0, scale=scale)
    logits_BK.requires_grad_()
    loss_B = make(name)(logits_BK, target_B)
    (gradient_BK,) = torch.autograd.grad(loss_B.sum(), logits_BK)
    assert loss_B.shape == target_B.shape
    assert loss_B.isfinite().all()
    assert gradient_BK.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=30)
def test_order_of_the_rows_does_not_matter(name: str, seed: int) -> None:
    logits_BK, target_B = rows(seed)
    order = torch.randperm(len(target_B), generator=torch.Generator().manual_seed(seed))
    loss = make(name)
    torch.testing.assert_close(
        loss(logits_BK[order], target_B[order]), loss(logits_BK, target_B)[order]
    )


@pytest.mark.parametrize("name", NAMES)
def test_rows_do_not_know_of_each_other(name: str) -> None:
    logits_BK, target_B = rows(1)
    loss = make(name)
    alone = [loss(logits_BK[i : i + 1], target_B[i : i + 1]) for i in range(len(target_B))]
    torch.testing.assert_close(torch.cat(alone), loss(logits_BK, target_B))


@pytest.mark.parametrize("name", NAMES)
def test_float32_agrees_with_float64(name: str) -> None:
    logits_BK, target_B = rows(2)
    loss = make(name)
    double_B = loss(logits_BK.double(), target_B)
    torch.testing.assert_close(loss(logits_BK, target_B).double(), double_B, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_true_class_is_rewarded(name: str) -> None:
    target_B = torch.arange(NUM_CLASSES)
    loss = make(name)
    right_B = loss(5 * torch.eye(NUM_CLASSES), target_B)
    assert (right_B < loss(5 * torch.eye(NUM_CLASSES).roll(1, 0), target_B)).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_file_names_a_paper(name: str) -> None:
    path = Path(parts.load("loss.name", name).__file__ or "")
    assert "arXiv:" in (ast.get_docstring(ast.parse(path.read_text())) or "")


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_cross_entropy_is_its_formula(smoothing: float) -> None:
    logits_BK, target_B = rows(3)
    found_B = cross_entropy.build(cross_entropy.Settings(smoothing=smoothing))(logits_BK, target_B)
    z = logits_BK.numpy().astype(np.float64)
    log_probs = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    wanted = (1 - smoothing) * np.eye(NUM_CLASSES)[target_B] + smoothing / NUM_CLASSES
    np.testing.assert_allclose(found_B, -(wanted * log_probs).sum(axis=1), rtol=1e-5)


def test_cross_entropy_is_torchs() -> None:
    logits_BK, target_B = rows(4)
    mean = torch.nn.CrossEntropyLoss()(logits_BK, target_B)
    torch.testing.assert_close(make("cross_entropy")(logits_BK, target_B).mean(), mean)
