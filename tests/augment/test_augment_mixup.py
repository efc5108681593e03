"""MixUp: equation 1 of the paper, with shares that follow the Beta distribution."""

import pytest
import torch
from image_factory import CONTEXT, column, draws, images
from scipy import stats

from maskcls.augment.transforms import mixup


def test_images_are_blended_by_their_share() -> None:
    pixels, partner = images(5), images(5, seed=1)
    settings = mixup.Settings(alpha=1.0)  # Beta(1, 1): the draw is the share
    drawn = torch.cat([column(0, 0, 0, 0, 0), column(0.0, 0.25, 0.3, 0.5, 0.9)], dim=1)
    mixed, share = mixup.build(settings, CONTEXT)(pixels, partner, drawn)
    torch.testing.assert_close(share, drawn[:, 1].float())
    for i, own in enumerate(drawn[:, 1].tolist()):
        wanted = own * pixels[i].double() + (1 - own) * partner[i].double()
        torch.testing.assert_close(mixed[i].double(), wanted, rtol=0, atol=1e-3)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_follow_the_beta_distribution(alpha: float) -> None:
    drawn = draws(5000, mixup.NUM_DRAWS)
    tiny = torch.zeros(5000, 3, 1, 1)
    _, share = mixup.build(mixup.Settings(alpha=alpha), CONTEXT)(tiny, tiny, drawn)
    # In float64: float32 has no room between 1 and the shares next to it.
    found = share.double().clamp(1e-7, 1 - 1e-7).numpy()
    if alpha < 1:
        inside = (found > 1e-6) & (found < 1 - 1e-6)
        beta = stats.beta(alpha, alpha)
        low, high = beta.cdf(1e-6), beta.cdf(1 - 1e-6)
        assert abs(inside.mean() - (high - low)) < 0.02
        level = (beta.cdf(found[inside]) - low) / (high - low)
        assert stats.kstest(level, "uniform").pvalue > 1e-3
    else:
        assert stats.kstest(found, stats.beta(alpha, alpha).cdf).pvalue > 1e-3


def test_who_is_not_drawn_stays_alone() -> None:
    pixels, partner, drawn = images(4), images(4, seed=1), draws(4, mixup.NUM_DRAWS)
    drawn[:, 0] = torch.tensor([0.2, 0.3, 0.6, 0.0])
    mixed, share = mixup.build(mixup.Settings(prob=0.3), CONTEXT)(pixels, partner, drawn)
    assert torch.equal(mixed[1:3], pixels[1:3])
    assert share[1:3].tolist() == [1, 1]
    assert (share[[0, 3]] < 1).all()
