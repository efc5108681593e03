"""Views of a photo whose logits are averaged when predicting (test-time augmentation).

Shape letters: B batch, C H W picture.
"""

from collections.abc import Iterator

import torch
from torch.nn import functional

from maskcls.config.schema import Tta


def views(pixels_BCHW: torch.Tensor, settings: Tta) -> Iterator[torch.Tensor]:
    """Each view of a batch, of the same shape, uint8 or float32 in 0..255; at least one.

    With 5 crops: the centre and the four corners, resized to the whole; with flip each of them also
    mirrored.
    """
    for view in _crops(pixels_BCHW, settings):
        yield view
        if settings.flip:
            yield view.flip(3)


def _crops(pixels_BCHW: torch.Tensor, settings: Tta) -> Iterator[torch.Tensor]:
    if settings.crops == 1:
        yield pixels_BCHW
        return
    height, width = pixels_BCHW.shape[2:]
    h, w = max(1, round(height * settings.share)), max(1, round(width * settings.share))
    down, right = height - h, width - w
    for top, left in ((down // 2, right // 2), (0, 0), (0, right), (down, 0), (down, right)):
        crop = pixels_BCHW[:, :, top : top + h, left : left + w].float()
        yield functional.interpolate(
            crop, size=(height, width), mode="bilinear", align_corners=False
        )
