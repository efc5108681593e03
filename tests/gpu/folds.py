"""Whole folds at real size: how long until the first step, at an epoch's end; two at once."""

import statistics
from collections.abc import Callable
from pathlib import Path

from tests.gpu import work
from tests.gpu.cases import Case, cases_of
from tests.gpu.checks import Ask
from tests.gpu.one_fold import FoldAsk
from tests.gpu.one_fold import start as start_fold

Report = Callable[..., None]


def start(ask: Ask, report: Report) -> None:
    """Fold 0 of the first network alone, from process start to its end."""
    case = cases_of(ask.tiny)[0]
    _write(ask, "alone", case)
    fold = start_fold(_fold(ask, "alone", case, 0))
    said = fold.result()
    report("process start to imports done", said["imported"] - fold.began, "s")
    report("process start to first step", said["first_step"] - fold.began, "s")
    end = statistics.median(said["epoch_ends_s"])
    report("an epoch's end: held-out rows, checkpoint", end, "s")
    last = said["history"][-1]
    report("of it, held-out rows", last["evaluate_s"], "s")
    report("an epoch's updates", last["train_s"], "s")
    report("images/s in the last epoch", last["images_per_s"], "images/s")
    report("process start to the fold's end", said["ended"] - fold.began, "s")
    report("peak of the GPU's memory", said["peak_bytes"] / 2**30, "GiB")


def two(ask: Ask, report: Report) -> None:
    """Folds 0 and 1 on the same device at once; their sum is to be held against `start`."""
    case = cases_of(ask.tiny)[0]
    _write(ask, "two", case)
    folds = [start_fold(_fold(ask, "two", case, number, at_once=2)) for number in (0, 1)]
    said = [fold.result() for fold in folds]
    began = min(fold.began for fold in folds)
    finished = all(len(x["history"]) == work.EPOCHS for x in said)
    report("both have finished", finished, ok=finished)
    speed = sum(x["history"][-1]["images_per_s"] for x in said)
    report("images/s in the last epoch, both together", speed, "images/s")
    report("start to the end of both", max(x["ended"] for x in said) - began, "s")
    peak = sum(x["peak_bytes"] for x in said) / 2**30
    report("peak of the GPU's memory, both together", peak, "GiB")


def _write(ask: Ask, name: str, case: Case) -> None:
    work.write_run(Path(ask.work), name, case, ask.device)


def _fold(ask: Ask, name: str, case: Case, number: int, at_once: int = 1) -> FoldAsk:
    return FoldAsk(ask.work, name, case.name, ask.tiny, ask.device, number, at_once)
