"""Does the GPU do what the CPU does, and does a killed fold resume there?"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.gpu.checks import Ask
from tests.gpu.one_fold import FoldAsk, exact_float32, start

Report = Callable[..., None]
Logits = npt.NDArray[np.float32]
SAME_WEIGHTS = 1e-4
"""Largest difference of two devices' logits for the same weights, as a share of the largest logit."""
SAME_TRAINING = 3e-2
"""The same after two epochs on each device: rounding grows with every update, and Adam makes steps of
full length from gradients that are nothing but rounding."""


def agree(ask: Ask, report: Report) -> None:
    """One tiny fold, trained on CPU and GPU from the same values in the same order."""
    from tests.gpu import work  # torch and all; resume only starts others

    exact_float32()
    root = Path(ask.work) / "agree"
    cpu = work.tiny_run(root / "cpu", "cpu")
    done = work.train_fold(cpu.job, work.Clock())
    rows = {device: work.predict(cpu, done.checkpoint, device) for device in ("cpu", ask.device)}
    apart = difference([rows["cpu"]], [rows[ask.device]])
    report("logits of the same weights, CPU and device", apart, ok=apart <= SAME_WEIGHTS)
    device = work.tiny_run(root / "device", ask.device)
    done = work.train_fold(device.job, work.Clock())
    apart = difference(work.logits_of_run(cpu), work.logits_of_run(device))
    report("logits of a fold trained on each", apart, ok=apart <= SAME_TRAINING)
    report("device of the second", done.device, ok=done.device.startswith(ask.device))
    again = work.tiny_run(root / "again", ask.device)
    work.train_fold(again.job, work.Clock())
    apart = difference(work.logits_of_run(device), work.logits_of_run(again))
    report("logits of a fold trained there twice", apart, ok=apart <= SAME_TRAINING)


def resume(ask: Ask, report: Report) -> None:
    """A fold is killed within its second epoch; what it gives after that, and in one go."""
    root = str(Path(ask.work) / "resume")
    fold = FoldAsk(root, "whole", case="", tiny=ask.tiny, device=ask.device)
    whole, killed = start(fold), start(replace(fold, name="killed", stop_at=(1, 2)))
    was_killed = killed.result() == {}
    report("killed within the second epoch", was_killed, ok=was_killed)
    resumed = start(replace(fold, name="killed")).result()
    said = " ".join(resumed["said"])
    report("what it resumed from", said, ok="checkpoint" in said)
    apart = difference(_logits(whole.result()), _logits(resumed))
    report("logits, resumed and in one go", apart, ok=apart <= SAME_TRAINING)
    report("bit-identical", apart == 0)


def _logits(said: dict[str, Any]) -> list[Logits]:
    return [np.array(x, np.float32) for x in said["logits"]]


def difference(ours: list[npt.NDArray[np.float32]], theirs: list[npt.NDArray[np.float32]]) -> float:
    """Largest difference of any two logits, as a share of the largest; inf where shapes differ."""
    if [x.shape for x in ours] != [x.shape for x in theirs]:
        return float("inf")
    a, b = (np.concatenate([x.ravel() for x in xs]).astype(np.float64) for xs in (ours, theirs))
    return float(np.abs(a - b).max() / max(1.0, np.abs(a).max()))
