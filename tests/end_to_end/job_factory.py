"""The smallest run there is, and what its tests compare."""

from pathlib import Path

import pandas as pd

TINY = [
    "model.backbone=test_resnet", "image.size=32x32", "train.batch_size=32", "folds.count=2",
]  # fmt: skip


def sets(*texts: str) -> list[str]:
    """--preset smoke with the tiny settings and others, as words of a command line."""
    return ["--preset", "smoke", *(w for t in (*TINY, *texts) for w in ("--set", t))]


def logits_of(oof: Path) -> bytes:
    """All logits of an oof.parquet, in a fixed order."""
    frame = pd.read_parquet(oof).sort_values("path")
    return b"".join(row.tobytes() for row in frame["logits"])
