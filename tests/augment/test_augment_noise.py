"""Noise: normal, of the drawn strength, independent in each pixel and channel."""

import torch
from image_factory import CONTEXT, draws
from scipy import stats

from maskcls.augment.transforms import noise


def gray(count: int, height: int = 101, width: int = 99) -> torch.Tensor:
    return torch.full((count, 3, height, width), 127.5)


def drawn_noise(strength: float) -> torch.Tensor:
    """float32 [3, 3, 101, 99] in units of its strength; weak, so that nothing is cut off."""
    drawn = draws(3, noise.NUM_DRAWS)
    drawn[:, 0], drawn[:, 1] = 0.0, strength
    return (noise.build(noise.Settings(), CONTEXT)(gray(3), drawn) - 127.5) / (25 * strength)


def test_noise_is_normal() -> None:
    found = drawn_noise(0.5).double()
    assert stats.kstest(found.flatten().numpy(), "norm").pvalue > 1e-3
    per_image = found.flatten(1)
    torch.testing.assert_close(per_image.std(1), torch.ones(3).double(), rtol=0.02, atol=0)
    assert per_image.mean(1).abs().max() < 4 / per_image.shape[1] ** 0.5
    assert found.abs().max() > 3.5


def test_pixels_channels_and_images_are_independent() -> None:
    found = drawn_noise(0.5)
    pairs = [
        (found[0], found[1]),
        (found[:, 0], found[:, 1]),
        (found[:, 1], found[:, 2]),
        (found[..., 1:], found[..., :-1]),
        (found[..., 1:, :], found[..., :-1, :]),
    ]
    # Box and Muller make two numbers of each pair; these lie half an image apart.
    flat = found.flatten(1)
    half = -(-flat.shape[1] // 2)
    pairs.append((flat[:, half:], flat[:, : flat.shape[1] - half]))
    for a, b in pairs:
        for x, y in ((a, b), (a**2, b**2)):
            correlation = torch.stack([x.flatten(), y.flatten()]).corrcoef()[0, 1]
            assert correlation.abs() < 4 / a.numel() ** 0.5


def test_strength_is_drawn_and_the_seed_gives_the_pattern() -> None:
    torch.testing.assert_close(drawn_noise(0.2), drawn_noise(0.6), rtol=0, atol=1e-4)
    drawn = draws(3, noise.NUM_DRAWS)
    drawn[:, 0], drawn[:, 1] = 0.0, 0.0
    assert torch.equal(noise.build(noise.Settings(), CONTEXT)(gray(3), drawn), gray(3))


def test_prob_decides_who_gets_noise() -> None:
    drawn = draws(4, noise.NUM_DRAWS)
    drawn[:, 0] = torch.tensor([0.0, 0.49, 0.5, 0.9])
    drawn[:, 1] = 0.5
    changed = (noise.build(noise.Settings(), CONTEXT)(gray(4), drawn) != gray(4)).flatten(1).any(1)
    assert changed.tolist() == [True, True, False, False]
