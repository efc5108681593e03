"""LDAM by hand and as cross entropy of cosines with margins; deferred re-weighting by epochs."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from loss_factory import SKEWED, batch, mixed, one_hot
from torch.nn import functional

from maskcls.losses import ldam
from maskcls.losses.base import LossContext, class_balanced_weights

HAND = LossContext((16, 1, 81))
"""Fourth roots 2, 1 and 3: with margin 1/2 for the rarest, the margins are 1/4, 1/2 and 1/6."""


def test_margins_by_hand() -> None:
    assert ldam.margins(ldam.Settings(), HAND) == pytest.approx((1 / 4, 1 / 2, 1 / 6))


def test_loss_by_hand() -> None:
    # scale 4: the true logit loses 4/4 = 1, 4/2 = 2 or 4/6 = 2/3. Logits (1, 2, 0):
    #   class 0: (0, 2, 0)    -> log(1 + e^2 + 1) - 0
    #   class 1: (1, 0, 0)    -> log(e + 1 + 1) - 0
    #   class 2: (1, 2, -2/3) -> log(e + e^2 + e^(-2/3)) + 2/3
    logits_BK = torch.tensor([[1.0, 2.0, 0.0]]).expand(3, 3)
    loss_B = ldam.build(ldam.Settings(scale=4.0), HAND)(logits_BK, torch.eye(3))
    e = math.e
    wanted = [math.log(2 + e**2), math.log(2 + e), math.log(e + e**2 + e ** (-2 / 3)) + 2 / 3]
    assert loss_B.tolist() == pytest.approx(wanted, rel=1e-6)


@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(1, 50))
@hypothesis_settings(deadline=None, max_examples=30)
def test_it_is_cross_entropy_of_scaled_cosines_with_margins(
    seed: int, margin: float, scale: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    cosines_BK = 2 * torch.rand(8, 6, generator=generator, dtype=torch.float64) - 1
    target_B = torch.randint(6, (8,), generator=generator)
    target_BK = one_hot(target_B, 6).double()
    roots = np.array(SKEWED.counts, dtype=np.float64) ** -0.25
    margins_K = torch.from_numpy(roots * margin / roots.max())
    wanted_B = functional.cross_entropy(
        scale * (cosines_BK - margins_K * target_BK), target_B, reduction="none"
    )
    loss = ldam.build(ldam.Settings(margin=margin, scale=scale), SKEWED)
    torch.testing.assert_close(loss(scale * cosines_BK, target_BK), wanted_B)


def test_without_margin_it_is_cross_entropy() -> None:
    logits_BK, target_BK = batch(1)[0], mixed(1)
    torch.testing.assert_close(
        ldam.build(ldam.Settings(margin=0.0), SKEWED)(logits_BK, target_BK),
        functional.cross_entropy(logits_BK, target_BK, reduction="none"),
    )


def test_a_class_without_rows_has_the_largest_margin_and_shrinks_no_other() -> None:
    assert ldam.margins(ldam.Settings(margin=0.4), LossContext((0, 16, 256))) == pytest.approx(
        (0.4, 0.4, 0.2)
    )
    assert ldam.margins(ldam.Settings(margin=0.4), LossContext((0, 0))) == (0.4, 0.4)


@pytest.mark.parametrize(
    ("drw_epoch", "late_epochs"),
    [(0, []), (1, [1, 2, 3, 4]), (3, [3, 4]), (4, [4]), (5, [])],
)
def test_weights_begin_with_drw_epoch(drw_epoch: int, late_epochs: list[int]) -> None:
    logits_BK, target_B = batch(2)
    target_BK = one_hot(target_B, 6)
    plain_B = ldam.build(ldam.Settings(), SKEWED)(logits_BK, target_BK)
    weights_K = torch.tensor(class_balanced_weights(SKEWED, 0.9999))
    for epoch in range(4):  # rows.epoch counts from 0, the setting from 1
        rows = LossContext(SKEWED.counts, epoch=epoch, epochs=4)
        loss_B = ldam.build(ldam.Settings(drw_epoch=drw_epoch), rows)(logits_BK, target_BK)
        is_late = epoch + 1 in late_epochs
        torch.testing.assert_close(loss_B, weights_K[target_B] * plain_B if is_late else plain_B)


def test_a_mixed_target_gives_the_mix_of_weighted_losses() -> None:
    logits_BK, target_BK = batch(3)[0], mixed(3)
    rows = LossContext(SKEWED.counts, epoch=1, epochs=2)
    loss = ldam.build(ldam.Settings(drw_epoch=2), rows)
    by_class_BK = torch.stack(
        [loss(logits_BK, torch.eye(6)[k].expand(6, 6)) for k in range(6)], dim=1
    )
    torch.testing.assert_close(loss(logits_BK, target_BK), (target_BK * by_class_BK).sum(dim=1))


def test_the_head_is_told_the_scale() -> None:
    assert ldam.cosine_scale(ldam.Settings(scale=12.5)) == 12.5
