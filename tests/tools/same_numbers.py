"""Do two checkouts give the same logits, to the bit? For changes that should change no number.

    python -m tests.tools.same_numbers OLD [NEW] [--work FOLDER]

OLD, NEW: folders of checkouts (NEW: this one). Each runs `maskcls demo --quick`, then a run with
branches, CutMix, an EMA and the weighted sampler on the same drawn people, then an ensemble of it; on
the CPU. What OLD gave is kept in the working folder and not made again. Prints a line for each file and
exits with the number of files that differ.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

RICH = (
    "folds.count=2", "train.epochs=3", "head.name=branches", "augment.name=cutmix",
    "optim.ema=0.9", "rows.sampler=weighted", "cluster.dashboard=false", "cluster.gpus=0",
)  # fmt: skip
FILES = ("demo/run/oof.parquet", "demo/run/eval.parquet", "demo/submission.csv",
         "rich/oof.parquet", "rich/eval.parquet", "rich.csv")  # fmt: skip
# A row's identity, under the names that columns have had.
_KEYS = ("path", "image", "ImageID", "repeat", "fold")


def make(checkout: Path, out: Path) -> None:
    """Run both cases with the source of a checkout, whatever is installed; results below out."""
    if (out / "rich.csv").exists():
        return
    out.mkdir(parents=True, exist_ok=True)
    env = os.environ | {"PYTHONPATH": str(checkout), "HF_HUB_OFFLINE": "1"}
    env["MASKCLS_CACHE"] = str(out / "cache")
    sets = [word for text in RICH for word in ("--set", text)]
    for words in (
        ["demo", "--quick", "--out", str(out / "demo")],
        ["train", str(out / "demo/data"), "--run", str(out / "rich"), "--preset", "smoke", *sets],
        ["ensemble", str(out / "rich"), "--out", str(out / "rich.csv")],
    ):
        subprocess.run([sys.executable, "-m", "maskcls", *words], env=env, cwd=out, check=True)


def rows_of(file: Path) -> dict[tuple[Any, ...], bytes | None]:
    """Each row's logits as bytes (of a CSV file: the whole row), by the row's identity."""
    if file.suffix == ".csv":
        lines = file.read_bytes().splitlines()
        return dict(zip(((n,) for n in range(len(lines))), lines, strict=True))
    table = pd.read_parquet(file)
    keys = table[[name for name in _KEYS if name in table.columns]].itertuples(index=False)
    values = [None if z is None else np.asarray(z, np.float32).tobytes() for z in table["logits"]]
    return dict(zip(map(tuple, keys), values, strict=True))


def main() -> int:
    """Compare; the number of files that differ."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path, nargs="?", default=Path(__file__).parents[2])
    parser.add_argument("--work", type=Path, help="folder for what is made (default: temporary)")
    args = parser.parse_args()
    work = args.work or Path(tempfile.mkdtemp(prefix="maskcls-same-"))
    make(args.old.absolute(), work / "old")
    make(args.new.absolute(), work / "new")
    differ = 0
    for name in FILES:
        old, new = rows_of(work / "old" / name), rows_of(work / "new" / name)
        rows = sum(old.get(key) != new.get(key) for key in old.keys() | new.keys())
        differ += rows > 0
        print(f"{name}: {'the same' if not rows else f'{rows} rows differ'} ({len(old)} rows)")
    return differ


if __name__ == "__main__":
    sys.exit(main())
