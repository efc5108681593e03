"""Names and shapes of what a run's folder holds; the one place that spells them.

config.json network.json record.json faults.json metrics.json
table.parquet eval_table.parquet folds.parquet oof.parquet eval.parquet
extra_table.parquet pseudo.parquet    more training rows, where the settings ask for them
fold-K/checkpoints/   fold-K/history.jsonl   fold-K/progress.json
fold-K/held_out.parquet   fold-K/eval.parquet   fold-K/fold.json (written last: the fold is done)
ray/                  Ray Train's own records, on a cluster only

Folds are numbered through: with `folds.repeats`, fold-K is fold K % n of repeat K // n, where n is the
number of folds that hold somebody out in one draw of the split.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from maskcls.store.paths import Folder


def folds_per_repeat(config: Mapping[str, Any]) -> int:
    """Folds of one draw of the split; config: a run's config.json."""
    folds = config["folds"]
    return int(folds["count"]) if folds["scheme"] in ("kfold", "image") else 1


def num_folds(config: Mapping[str, Any]) -> int:
    """All folds of a run, over its repeats."""
    return folds_per_repeat(config) * int(config["folds"]["repeats"])


def fold_folder(run: Folder, fold: int) -> Folder:
    """Folder of a fold, counted from 0."""
    return run.child(f"fold-{fold}")


def read_done(run: Folder, fold: int) -> dict[str, Any] | None:
    """A finished fold's fold.json, None while it is not finished."""
    folder = fold_folder(run, fold)
    if not folder.exists("fold.json"):
        return None
    done: dict[str, Any] = folder.read_json("fold.json")
    return done


def best_of(history: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Epoch and macro_f1 of a fold's best epoch, None before any; history: a dict per epoch.

    The first of equals; where nobody is held out and there is no score, the last.
    """
    best: dict[str, Any] | None = None
    for entry in history:
        score = entry["macro_f1"]
        if best is None or score is None or score > best["macro_f1"]:
            best = {"epoch": entry["epoch"], "macro_f1": score}
    return best


def history_text(history: list[dict[str, Any]]) -> bytes:
    """history.jsonl: a line of JSON per epoch."""
    return "".join(json.dumps(entry) + "\n" for entry in history).encode()
