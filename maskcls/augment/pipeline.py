"""The configured transforms, applied in order to a batch of training images.

Shape letters: B batch, C H W image, T all rows, D draws.
"""

from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from maskcls.augment import draws
from maskcls.augment.base import Change, Context, Mix
from maskcls.augment.partners import Partner, Pool
from maskcls.config import parts
from maskcls.config.schema import Augment
from maskcls.core.errors import UserError
from maskcls.core.task import Task

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Part:
    """A transform of the pipeline: its file, and what its build returned."""

    name: str
    module: ModuleType
    change: Any


@dataclass(frozen=True)
class Changed:
    """A changed batch: pixels_BCHW float32 in 0..255; share_B: of an image's own label."""

    pixels_BCHW: torch.Tensor
    share_B: torch.Tensor | None


class Pipeline:
    """Transforms in the order of their STAGE, whatever their order in the settings."""

    def __init__(self, settings: Augment, context: Context) -> None:
        """Raises UserError when two of the transforms mix images."""
        found = []
        for name in parts.chosen("augment.name", settings.name):
            module = parts.load("augment.name", name)
            own = parts.settings_of("augment.name", name, settings.settings)
            found.append((_Part(name, module, module.build(own, context)), own))
        # Then by name, so that the order in the settings, which a user sees as a set, changes nothing.
        found.sort(key=lambda pair: (pair[0].module.STAGE, pair[0].name))
        mixes = [(part, own) for part, own in found if getattr(part.module, "MIXES", False)]
        # A target knows one partner and one share.
        if len(mixes) > 1:
            names = " and ".join(part.name for part, _ in mixes)
            raise UserError(
                f"augment.name={settings.name}: {names} all mix images; use one of them."
            )
        self._parts = [part for part, _ in found]
        self.mix = mixes[0][0] if mixes else None
        self.partner: Partner = mixes[0][0].module.partner(mixes[0][1]) if mixes else "all"

    def __bool__(self) -> bool:
        return bool(self._parts)

    def begin_epoch(
        self, numbers: tuple[int, int, int], classes: Int64, rows: Int64, task: Task
    ) -> "EpochAugmenter":
        """The pipeline with an epoch's draws.

        numbers: seed, fold, epoch. classes: of all rows, int64 [T]. rows: those that train.
        """
        return EpochAugmenter(self, numbers, classes, np.unique(rows), task)


class EpochAugmenter:
    """A pipeline in one epoch, with every row's draws and partner."""

    def __init__(
        self, pipeline: Pipeline, numbers: tuple[int, int, int], classes: Int64, rows: Int64,
        task: Task,
    ) -> None:  # fmt: skip
        self._pipeline, self._numbers, self._classes, self._rows = pipeline, numbers, classes, rows
        self._task = task
        self._tables: dict[tuple[str, int], npt.NDArray[np.float64]] = {}

    def partners(self, rows: Int64, copies: Int64) -> Int64 | None:
        """Row of each row's partner, int64 [B]; None when nothing mixes.

        Raises UserError when no row fits as a partner.
        """
        if self._pipeline.mix is None:
            return None
        # A stream of its own: a mix with another number of draws keeps its partners.
        draw_B = self._draws(f"{self._pipeline.mix.name}.partner", 1, rows, copies)[:, 0]
        return self._pool.partners(self._classes[rows], draw_B)

    @cached_property
    def _pool(self) -> Pool:
        assert self._pipeline.mix is not None
        name, partner = self._pipeline.mix.name, self._pipeline.partner
        return Pool(name, partner, self._classes, self._rows, self._task)

    def apply(
        self, pixels_BCHW: torch.Tensor, rows: Int64, copies: Int64, partners: Int64 | None,
        only_copies: bool,
    ) -> Changed:  # fmt: skip
        """Change a batch of uint8 pixels on the device.

        pixels_BCHW: of the rows, then of their partners, if any. only_copies: leave
        the first occurrence of each row unchanged.
        """
        num = len(rows)
        device = pixels_BCHW.device
        left_alone = _mask_on(device, copies == 0) if only_copies else None
        # float32 between transforms: rounding to bytes after each would add up.
        changed, share_B = pixels_BCHW.float(), None
        every, every_copy = rows, copies
        if partners is not None:
            every = np.concatenate([rows, partners])
            # A partner is augmented as the row's own first occurrence would be.
            every_copy = np.concatenate([copies, np.zeros(num, np.int64)])
        for part in self._pipeline._parts:
            before = changed
            if part is self._pipeline.mix:
                mix: Mix = part.change
                draws_BD = self._draws_of(part, every[:num], every_copy[:num])
                # Partners were changed along by all earlier transforms; from here on there is one image
                # per row.
                changed, share_B = mix(changed[:num], changed[num:], draws_BD)
                if left_alone is not None:
                    # Mixed and then replaced, not left out: shapes stay those of the whole batch, and
                    # the CPU need not know how many there are.
                    share_B = torch.where(left_alone, 1.0, share_B)
                    changed = torch.where(left_alone.view(-1, 1, 1, 1), before[:num], changed)
                every, every_copy = every[:num], every_copy[:num]
            else:
                change: Change = part.change
                changed = change(changed, self._draws_of(part, every, every_copy))
                if only_copies:
                    alone = _mask_on(device, every_copy == 0)
                    changed = torch.where(alone.view(-1, 1, 1, 1), before, changed)
        return Changed(changed, share_B)

    def _draws_of(self, part: _Part, rows: Int64, copies: Int64) -> torch.Tensor:
        # On the CPU: some transforms read their draws there, for which it would have to wait for a GPU.
        return torch.from_numpy(self._draws(part.name, part.module.NUM_DRAWS, rows, copies))

    def _draws(self, name: str, num: int, rows: Int64, copies: Int64) -> npt.NDArray[np.float64]:
        found = np.empty((len(rows), num))
        for copy in np.unique(copies).tolist():
            # For all rows at once and kept for the epoch, instead of drawing it again for each batch.
            key = (name, copy)
            if key not in self._tables:
                size = len(self._classes)
                self._tables[key] = draws.table(name, size, num, *self._numbers, copy)
            mine = copies == copy
            found[mine] = self._tables[key][rows[mine]]
        return found


def _mask_on(device: torch.device, mask_B: npt.NDArray[np.bool_]) -> torch.Tensor:
    return torch.from_numpy(mask_B).to(device, non_blocking=True)  # the CPU need not wait
