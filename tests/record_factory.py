"""Records of a run as workers and commands write them, with values that a test need not spell out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from maskcls.core.history import EpochEntry
from maskcls.core.metrics import Values
from maskcls.store.heartbeat import Heartbeat
from maskcls.store.record import Record
from maskcls.store.results import FoldImages, FoldResult


def epoch(number: int, score: float | None = 0.5, **changes: Any) -> EpochEntry:
    """A finished epoch; number: from 1."""
    entry = EpochEntry(
        epoch=number,
        lr=1e-3,
        train_loss=1.25,
        score=score,
        metrics=metrics(score),
        images=64,
        images_per_s=90.0,
        train_s=1.0,
        evaluate_s=0.5,
        time="2026-11-24T00:00:00+00:00",
    )
    return replace(entry, **changes)


def metrics(score: float | None) -> Values:
    """The mask task's metrics, all equal to the score."""
    return {} if score is None else {"macro_f1": score, "accuracy": score}


def epochs(*scores: float | None) -> list[EpochEntry]:
    """A history of epochs with these scores."""
    return [epoch(number, score) for number, score in enumerate(scores, 1)]


def heartbeat(ago_s: float = 1.0, **changes: Any) -> Heartbeat:
    """What a worker reported some seconds ago."""
    when = (datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat()
    beat = Heartbeat(
        phase="training",
        attempt=2,
        token="token",  # noqa: S106
        pid=7,
        node="n",
        worker="w",
        host="h",
        time=when,
    )
    return replace(beat, **changes)


def result(fold: int, score: float | None = 0.5, **changes: Any) -> FoldResult:
    """What a finished fold of one epoch says."""
    parts = ("start", "build", "train", "evaluate", "predict", "checkpoint")
    found = FoldResult(
        fold=fold,
        score=score,
        metrics=metrics(score),
        best_epoch=1,
        epochs=1,
        images=FoldImages(1, 1, 1),
        checkpoint="epoch-0001",
        model_sha256=f"{fold:064}",
        threads=1,
        device="cpu",
        precision="float32",
        channels_last=False,
        time_s=dict.fromkeys(parts, 0.0),
    )
    return replace(found, **changes)


def record(*starts: dict[str, Any]) -> Record:
    """A run's record, with starts of which only some fields are given."""
    made = Record.new({})
    for changes in starts:
        made.add_start(["maskcls", "train"])
        made.starts[-1] = replace(made.starts[-1], **changes)
    return made
