"""Targets of a batch as probabilities, so that mixed images need no special case.

Shape letters: B batch, K classes, R ages.
"""

from dataclasses import dataclass

import torch

from maskcls.core.task import Part, Task


def numbers_of(part: Part) -> tuple[int, int]:
    """Smallest and largest number that a part tells apart; others count as the nearest of them."""
    if part.numbers is None:
        raise ValueError(f"part {part.name} is not read from numbers")
    return part.numbers


@dataclass(frozen=True)
class Target:
    """classes_BK: float32 [B, K]; ages_BR: float32 [B, R], one column a year (18 to 60 in the mask
    task), R = 0 for a task without ages. task: whose classes these are.

    Rows of both sum to 1; of an image mixed from two, they are the shares of its parts.
    """

    classes_BK: torch.Tensor
    ages_BR: torch.Tensor
    task: Task

    def part(self, name: str) -> torch.Tensor:
        """Probabilities of a part's values, [B, values]."""
        sizes = self.task.sizes
        axis = next(i for i, part in enumerate(self.task.parts, 1) if part.name == name)
        if len(sizes) == 1:
            return self.classes_BK
        others = tuple(i for i in range(1, len(sizes) + 1) if i != axis)
        # Row-major, as core/task.py numbers the classes.
        return self.classes_BK.view(-1, *sizes).sum(dim=others)
