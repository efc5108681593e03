"""Transforms one after the other: their order, their draws, and which images they change."""

import numpy as np
import pytest
import torch

from maskcls.augment.base import Context
from maskcls.augment.pipeline import Pipeline
from maskcls.config.resolve import resolve
from maskcls.core.errors import UserError
from tests.tasks import MASK


def test_the_order_in_the_settings_does_not_matter() -> None:
    pixels = torch.randint(0, 256, (3, 3, 16, 12), dtype=torch.uint8)
    rows, copies = np.arange(3), np.zeros(3, np.int64)
    found = []
    for names in ("erasing+colour+flip", "flip+colour+erasing"):
        settings = resolve("smoke", sets=[f"augment.name={names}"]).augment
        epoch = Pipeline(settings, Context((9, 9, 9))).begin_epoch((1, 0, 0), rows, rows, MASK)
        found.append(epoch.apply(pixels, rows, copies, None, only_copies=False).pixels_BCHW)
    assert torch.equal(*found)


def test_without_transforms_it_is_false() -> None:
    assert not Pipeline(resolve("smoke", sets=["augment.name=none"]).augment, Context((0, 0, 0)))
    assert Pipeline(resolve("smoke", sets=["augment.name=flip"]).augment, Context((0, 0, 0)))


def test_two_transforms_that_mix_are_refused() -> None:
    settings = resolve("smoke", sets=["augment.name=mixup"]).augment
    object.__setattr__(settings, "name", "mixup+cutmix")
    with pytest.raises(UserError, match=r"cutmix and mixup all mix images; use one of them\."):
        Pipeline(settings, Context((0, 0, 0)))


@pytest.mark.parametrize("more", ["colour", "erasing", "noise", "mixup"])
def test_a_second_transform_shifts_nothing_of_the_first(more: str) -> None:
    pixels = torch.randint(0, 256, (6, 3, 16, 12), dtype=torch.uint8)
    rows, copies = np.array([7, 3, 5, 0, 9, 1]), np.zeros(6, np.int64)
    classes = np.arange(12) % 18

    def flips(name: str) -> list[list[float]]:
        settings = resolve("smoke", sets=[f"augment.name={name}"]).augment
        epoch = Pipeline(settings, Context((0, 0, 0))).begin_epoch((3, 1, 2), classes, rows, MASK)
        return epoch._draws("flip", 1, rows, copies).tolist()

    assert flips("flip") == flips(f"flip+{more}") == flips(f"{more}+flip")
    settings = resolve("smoke", sets=["augment.name=flip"]).augment
    epoch = Pipeline(settings, Context((0, 0, 0))).begin_epoch((3, 1, 2), classes, rows, MASK)
    whole = epoch.apply(pixels, rows, copies, None, only_copies=False).pixels_BCHW
    alone = epoch.apply(pixels[2:3], rows[2:3], copies[:1], None, only_copies=False).pixels_BCHW
    assert torch.equal(whole[2:3], alone)  # whatever else is in the batch


def test_only_copies_are_changed_where_the_settings_say_so() -> None:
    settings = resolve("smoke", sets=["augment.name=flip", "augment.flip.prob=1"]).augment
    pipeline = Pipeline(settings, Context((0, 0, 0)))
    rows, copies = np.array([4, 4, 2]), np.array([0, 1, 0])
    epoch = pipeline.begin_epoch((0, 0, 0), np.zeros(5, np.int64), rows, MASK)
    pixels = torch.randint(0, 256, (3, 3, 8, 6), dtype=torch.uint8)
    changed = epoch.apply(pixels, rows, copies, None, only_copies=True).pixels_BCHW
    assert torch.equal(changed[[0, 2]], pixels[[0, 2]].float())
    assert torch.equal(changed[1], pixels[1].float().flip(2))
