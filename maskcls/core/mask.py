"""What the code knows about the mask task: its reader, its corrections and the demo's people need it.

Everything else about the task is data, in tasks/mask.toml; a test holds the two together.
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

_Labels = TypeVar("_Labels", int, npt.NDArray[np.int64])

MASKS = ("worn", "incorrect", "not worn")
GENDERS = ("male", "female")
AGE_BORDERS = (30, 60)
"""First age of the second and of the third group [years], as the competition scores."""

SHOTS = ("mask1", "mask2", "mask3", "mask4", "mask5", "incorrect_mask", "normal")
"""File stems of a person's images; "normal" means without a mask, not a mask worn normally."""
MASK_OF_SHOT = dict.fromkeys(SHOTS[:5], 0) | {"incorrect_mask": 1, "normal": 2}


def class_of(mask: _Labels, gender: _Labels, age_group: _Labels) -> _Labels:
    """Class 0 to 17 of three codes, or of three arrays of them: mask 0..2, gender 0..1, age 0..2."""
    return 6 * mask + 3 * gender + age_group
