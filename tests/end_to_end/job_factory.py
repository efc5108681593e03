"""The smallest run there is, the command line that makes it, and what its tests compare."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

TINY = [
    "model.backbone=test_resnet", "image.size=32x32", "train.batch_size=32", "folds.count=2",
    "cluster.dashboard=false",
]  # fmt: skip


def maskcls(*words: str, **options: object) -> "subprocess.CompletedProcess[str]":
    """A command line, as a user would type it."""
    command = [sys.executable, "-m", "maskcls", *words]
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        command, capture_output=True, text=True, timeout=280, stdin=subprocess.DEVNULL, **options
    )


def sets(*texts: str) -> list[str]:
    """--preset smoke with the tiny settings and others, as words of a command line."""
    return ["--preset", "smoke", *(w for t in (*TINY, *texts) for w in ("--set", t))]


def logits_of_run(run: Path) -> bytes:
    """All logits of a run, in a fixed order."""
    oof = pd.read_parquet(run / "oof.parquet").sort_values("image")
    evals = pd.read_parquet(run / "eval.parquet").sort_values(["image", "fold"])
    return np.stack([*oof["logits"], *evals["logits"]]).tobytes()


def logits_of(oof: Path) -> bytes:
    """All logits of an oof.parquet, in a fixed order."""
    frame = pd.read_parquet(oof).sort_values("image")
    return b"".join(row.tobytes() for row in frame["logits"])
