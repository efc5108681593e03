"""What trains besides the table as it is: corrected labels, an extra folder, pseudo-labels.

Read and checked by the command, before anything starts, and written into the run's folder, where the
folds find it; what these inputs were is part of the run's identity.
"""

from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from maskcls.commands.datasets import DataSet, Photos, photos_of
from maskcls.commands.fold_sides import refuse_empty_sides
from maskcls.config.schema import Config
from maskcls.core.errors import UserError
from maskcls.core.hashing import combine
from maskcls.core.labels import AGE_BORDERS
from maskcls.core.names import nfc
from maskcls.core.table import read_data
from maskcls.evaluation.ensembling import softmax
from maskcls.sampling.corrections import TrainLabels, read_corrections, train_labels
from maskcls.store import run_files
from maskcls.store.paths import Folder
from maskcls.store.record import read_record
from maskcls.store.tables import logits_of, read_arrow, read_table

PUBLISHED = "published"


@dataclass(frozen=True)
class Inputs:
    """train: labels of the table's rows to train with. extra, extra_photos: the extra folder's rows
    (extra_table.parquet) and photos. pseudo: row (of an eval photo), fold, label, probability.
    described: fingerprints for the record. notes: what the user should know.
    """

    train: TrainLabels
    extra: pa.Table | None
    extra_photos: Photos | None
    pseudo: pd.DataFrame | None
    described: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_inputs(config: Config, data: DataSet, folds: pd.DataFrame, cache: Path) -> Inputs:
    """Read what the section rows names; raises UserError for what is wrong with it.

    It is wrong, too, when a fold is left without anybody to train on, or a mix without a partner.
    """
    rows, described, notes = config.rows, dict[str, Any](), list[str]()
    train = _train_labels(config, data.table.photos, described, notes)
    extra, extra_photos = None, None
    if rows.extra != "none":
        extra, extra_photos = _extra(config, data, cache, described)
        notes.append(f"rows.extra: {extra.num_rows:,} more photos train in every fold")
    pseudo = None
    if rows.pseudo_labels != "none":
        pseudo = _pseudo(config, data, folds, described)
        share = pseudo["row"].nunique()
        notes.append(
            f"rows.pseudo_labels: {share:,} eval photos have a label of probability"
            f" {rows.pseudo_confidence:g} or more in some fold"
        )
    inputs = Inputs(train, extra, extra_photos, pseudo, described, notes)
    refuse_empty_sides(config, data, folds, inputs)
    return inputs


def _train_labels(
    config: Config, photos: pd.DataFrame, described: dict[str, Any], notes: list[str]
) -> TrainLabels:
    where, border = config.rows.corrections, config.rows.age_border
    if where == "none":
        return train_labels(photos, "path", [], where, border)
    if where == PUBLISHED:
        content = (
            resources.files("maskcls.sampling").joinpath("published_corrections.csv").read_bytes()
        )
    else:
        folder, name = Folder.of_file(where)
        try:
            content = folder.read_bytes(name)
        except (FileNotFoundError, IsADirectoryError) as e:
            raise UserError(f"rows.corrections={where}: there is no such file.") from e
    key, corrections = read_corrections(content, where)
    train = train_labels(photos, key, corrections, where, border)
    described["corrections"] = combine([content])
    notes.append(
        f"rows.corrections: {train.num_corrected} photos train with another label;"
        f" {train.num_unknown} of {len(corrections)} rows are about people who are not here"
    )
    return train


def _extra(
    config: Config, data: DataSet, cache: Path, described: dict[str, Any]
) -> tuple[pa.Table, Photos]:
    folder = Folder.at(config.rows.extra)
    table = read_data(folder)
    here = {nfc(name) for name in data.table.people["person"]}
    both = [name for name in table.people["person"] if nfc(name) in here]
    if both:
        raise UserError(
            f"rows.extra={folder.shown}: {both[0]} is in DATA, too ({len(both)} people are);"
            " whoever is held out must not train, so give other people."
        )
    photos = photos_of(folder.child("train", "images"), table.photos, cache)
    train = train_labels(table.photos, "path", [], "", config.rows.age_border)
    described["extra_fingerprint"] = combine(
        [photos.digests.tobytes(), train.classes.tobytes(), train.ages.tobytes()]
    )
    frame = pa.table(
        {
            "path": pa.array(table.photos["path"], pa.string()),
            "person": pa.array(table.photos["person"].astype("str"), pa.string()),
            "train_label": train.classes.astype(np.int8),
            "train_age": train.ages.astype(np.int16),
        }
    )
    return frame, photos


def _pseudo(
    config: Config, data: DataSet, folds: pd.DataFrame, described: dict[str, Any]
) -> pd.DataFrame:
    """Each fold's labels, by the same fold of the other run, which saw none of its held-out people."""
    name = f"rows.pseudo_labels={config.rows.pseudo_labels}"
    if data.table.eval_photos is None or data.eval_photos is None:
        raise UserError(f"{name}: DATA has no eval photos to label.")
    teacher = Folder.at(config.rows.pseudo_labels)
    if not teacher.exists("config.json") or not teacher.exists("eval_table.parquet"):
        raise UserError(f"{name}: no finished run with eval photos.")
    theirs = read_table(teacher, "folds.parquet")
    if theirs.astype(str).to_numpy().tolist() != folds.astype(str).to_numpy().tolist():
        raise UserError(
            f"{name}: it has other folds, so its networks saw people who are held out here;"
            " train it with the same people, folds.scheme, folds.count and folds.seed."
        )
    ids = read_arrow(teacher, "eval_table.parquet")["ImageID"].to_pylist()
    place = {image: row for row, image in enumerate(data.table.eval_photos["ImageID"])}
    if set(ids) != set(place):
        raise UserError(f"{name}: it was made for other eval photos.")
    row_of = np.array([place[image] for image in ids])
    # As DataSet.describe makes it, but in the order that the other run had them in.
    ours = combine(["\n".join(ids), data.eval_photos.digests[row_of].tobytes()])
    record = read_record(teacher) or {"data": {}}
    if record["data"].get("eval_fingerprint") != ours:
        raise UserError(
            f"{name}: it was made for other eval photos under the same names; train that run with"
            " those of DATA."
        )
    found = []
    for number in range(run_files.num_folds(teacher.read_json("config.json"))):
        if run_files.read_done(teacher, number) is None:
            raise UserError(f"{name}: its fold {number} is not done; finish that run first.")
        table = read_arrow(run_files.fold_folder(teacher, number), "eval.parquet")
        probs = softmax(logits_of(table["logits"])[0].astype(np.float64))
        sure = probs.max(axis=1) >= config.rows.pseudo_confidence
        found.append(
            pd.DataFrame(
                {
                    "row": row_of[table["row"].to_numpy()[sure]],
                    "fold": np.full(int(sure.sum()), number, np.int16),
                    "label": probs.argmax(axis=1)[sure],
                    "probability": probs.max(axis=1)[sure],
                }
            )
        )
    pseudo = pd.concat(found, ignore_index=True)
    if config.rows.age_border != AGE_BORDERS[1]:
        # The other run's labels keep its own border; nothing is known of the photos' ages.
        described["pseudo_border"] = "as the other run has it"
    described["pseudo_labels"] = combine(
        [pseudo["row"].to_numpy().tobytes(), pseudo["label"].to_numpy().tobytes()]
    )
    return pseudo
