"""Targets of a batch as probabilities, so that mixed images need no special case.

Shape letters: B batch, K 18 classes, R ages.
"""

from dataclasses import dataclass

import torch

YOUNGEST, OLDEST = 18, 60
"""Ages outside count as the nearest of these: the competition's people are 18 to 60 years old."""
NUM_AGES = OLDEST - YOUNGEST + 1


@dataclass(frozen=True)
class Target:
    """classes_BK: float32 [B, 18]; ages_BR: float32 [B, 43], one column a year from 18 to 60.

    Rows of both sum to 1; of an image mixed from two, they are the shares of its parts.
    """

    classes_BK: torch.Tensor
    ages_BR: torch.Tensor

    def mask(self) -> torch.Tensor:
        """Probabilities of the mask states, [B, 3]."""
        return self._grid().sum(dim=(2, 3))

    def gender(self) -> torch.Tensor:
        """Probabilities of the genders, [B, 2]."""
        return self._grid().sum(dim=(1, 3))

    def age(self) -> torch.Tensor:
        """Probabilities of the age groups, [B, 3]."""
        return self._grid().sum(dim=(1, 2))

    def _grid(self) -> torch.Tensor:
        # class = 6 mask + 3 gender + age group (core/labels.py)
        return self.classes_BK.view(-1, 3, 2, 3)
