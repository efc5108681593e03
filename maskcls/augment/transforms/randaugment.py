"""Changes images by a few operations drawn from a list, all of the same strength.

Cubuk et al. 2019, "RandAugment: Practical automated data augmentation with a reduced search space",
arXiv:1909.13719. Operations and strengths are those of torchvision's RandAugment. Shape letters: N
the images that drew the same; they are bytes in here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from annotated_types import Ge, Le
from torchvision.transforms.v2 import functional as tv

from maskcls.augment.base import Change, Context
from maskcls.config.schema import Section

_MAX_STEPS = 4  # the number of draws must not depend on n
NUM_DRAWS = 2 * _MAX_STEPS
STAGE = 20
_STRONGEST = 30


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this transform."""

    n: Annotated[int, Ge(1), Le(4)] = 2
    """Operations that an image goes through, one after the other."""
    magnitude: Annotated[int, Ge(0), Le(30)] = 9
    """Strength of all operations, of 30."""


Operation = Callable[[torch.Tensor, int], torch.Tensor]
"""Images, uint8 [N, C, H, W], and a sign, -1 or 1, to changed images; some ignore the sign."""


def operations(magnitude: int, fill: tuple[float, float, float]) -> dict[str, Operation]:
    """The paper's list, by name; magnitude: 0 to 30, fill: colour of holes."""

    def strength(weakest: float, strongest: float) -> float:
        # From a float32 table like torchvision's, so that rounding is the same, too.
        return torch.linspace(weakest, strongest, _STRONGEST + 1)[magnitude].item()

    shear = math.degrees(math.atan(strength(0.0, 0.3)))
    degrees = strength(0.0, 30.0)
    bits = 8 - round(4 * magnitude / _STRONGEST)
    threshold = 255 * strength(1.0, 0.0)

    def factor(sign: int) -> float:
        return 1 + sign * strength(0.0, 0.9)

    def distance(sign: int, size: int) -> int:
        return sign * int(strength(0.0, 150.0 / 331.0 * size))

    def moved(p: torch.Tensor, by: tuple[int, int]) -> Any:
        return tv.affine(p, 0.0, [*by], 1.0, [0.0, 0.0], fill=[*fill])

    def sheared(p: torch.Tensor, by: tuple[float, float]) -> Any:
        # About the corner and not the centre, as in the paper's code.
        return tv.affine(p, 0.0, [0, 0], 1.0, [*by], fill=[*fill], center=[0, 0])

    return {
        "identity": lambda p, sign: p,
        "autocontrast": lambda p, sign: tv.autocontrast(p),
        "equalize": lambda p, sign: tv.equalize(p),
        "rotate": lambda p, sign: tv.rotate(p, sign * degrees, fill=[*fill]),
        "solarize": lambda p, sign: tv.solarize(p, threshold),
        "colour": lambda p, sign: tv.adjust_saturation(p, factor(sign)),
        "posterize": lambda p, sign: tv.posterize(p, bits),
        "contrast": lambda p, sign: tv.adjust_contrast(p, factor(sign)),
        "brightness": lambda p, sign: tv.adjust_brightness(p, factor(sign)),
        "sharpness": lambda p, sign: tv.adjust_sharpness(p, factor(sign)),
        "shear_x": lambda p, sign: sheared(p, (sign * shear, 0.0)),
        "shear_y": lambda p, sign: sheared(p, (0.0, sign * shear)),
        "translate_x": lambda p, sign: moved(p, (distance(sign, p.shape[3]), 0)),
        "translate_y": lambda p, sign: moved(p, (0, distance(sign, p.shape[2]))),
    }


def build(settings: Settings, context: Context) -> Change:
    """The transform: each operation once for all images that drew it; values are rounded to bytes.

    Its draws, for each of the n steps: the operation, its sign.
    """
    listed = [*operations(settings.magnitude, context.fill).values()]

    def change(pixels_BCHW: torch.Tensor, draws_BD: torch.Tensor) -> torch.Tensor:
        out = pixels_BCHW.round().to(torch.uint8)
        # Grouped on the CPU, since the number of images of an operation is a shape there.
        which_BS, sign_BS = draws_BD.cpu().view(-1, _MAX_STEPS, 2).unbind(2)
        drawn_BS = 2 * (which_BS * len(listed)).long() + (sign_BS >= 0.5)
        for step in range(settings.n):
            # By operation and sign, not by image: one call of torchvision for all that drew the same.
            for drawn in sorted(set(drawn_BS[:, step].tolist())):
                rows_N = (drawn_BS[:, step] == drawn).nonzero().squeeze(1)
                rows_N = rows_N.to(out.device, non_blocking=True)
                out[rows_N] = listed[drawn // 2](out[rows_N], 1 if drawn % 2 else -1)
        return out.float()

    return change
