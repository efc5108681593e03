"""The 18 classes and the three labels that form them; the one place that defines their order.

class = 6 * mask + 3 * gender + age_group
    mask:      worn 0, incorrect 1, not worn 2      (from the shot: mask1..mask5, incorrect_mask, normal)
    gender:    male 0, female 1
    age_group: under 30 -> 0, 30 to 59 -> 1, 60 and over -> 2
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

_Labels = TypeVar("_Labels", int, npt.NDArray[np.int64])

MASKS = ("worn", "incorrect", "not worn")
GENDERS = ("male", "female")
AGE_GROUPS = ("<30", "30-59", "60+")
TASKS = ("mask", "gender", "age")
"""The order of the three labels, wherever there is one value for each."""
NUM_CLASSES = 18
AGE_BORDERS = (30, 60)
"""First age of the second and of the third group [years]."""

SHOTS = ("mask1", "mask2", "mask3", "mask4", "mask5", "incorrect_mask", "normal")
"""File stems of a person's images; "normal" means without a mask, not a mask worn normally."""
MASK_OF_SHOT = dict.fromkeys(SHOTS[:5], 0) | {"incorrect_mask": 1, "normal": 2}


def age_group_of(age: int) -> int:
    """Group 0, 1 or 2 of an age in years."""
    return int(age >= AGE_BORDERS[0]) + int(age >= AGE_BORDERS[1])


def class_of(mask: _Labels, gender: _Labels, age_group: _Labels) -> _Labels:
    """Class 0 to 17 of three labels, or of three arrays of them."""
    return 6 * mask + 3 * gender + age_group


def labels_of(classes: npt.ArrayLike) -> dict[str, npt.NDArray[np.int64]]:
    """The three labels of each class; classes: integers [N] in 0..17. Returns {task: int64 [N]}."""
    c = np.asarray(classes, dtype=np.int64)
    return {"mask": c // 6, "gender": c // 3 % 2, "age": c % 3}


def class_name(label: int) -> str:
    """The name of a class, such as "worn, female, 30-59"."""
    return f"{MASKS[label // 6]}, {GENDERS[label // 3 % 2]}, {AGE_GROUPS[label % 3]}"
