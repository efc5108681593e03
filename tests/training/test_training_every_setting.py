"""Every value of every setting trains an epoch and predicts; a setting without a value here fails.

Settings of the command alone (who is held out, where work is placed, what else is read) are tested
where they act; they are named below, so that nothing is forgotten.
"""

import dataclasses
import typing
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from fold_factory import SETS, Notes, TinyRun

from maskcls.config import parts
from maskcls.config.relations import NEEDS
from maskcls.config.schema import PLACEMENT_ONLY, Config
from maskcls.training.fold import run_fold
from maskcls.training.job import PredictJob
from maskcls.training.prediction import predict_images
from maskcls.training.rank import Alone

pytestmark = pytest.mark.slow

ELSEWHERE = {
    *PLACEMENT_ONLY, "cluster.workers_per_fold",  # tests/cluster, tests/end_to_end
    "folds.scheme", "folds.count", "folds.share", "folds.repeats", "folds.seed",  # test_splits
    "rows.corrections", "rows.extra", "rows.pseudo_labels", "rows.pseudo_confidence",  # inputs
    "model.weights", "head.separate.mask_weights", "head.separate.gender_weights",  # tests/models
    "head.separate.age_weights",
}  # fmt: skip
VALUES: dict[str, tuple[str, ...]] = {
    "model.backbone": ("test_resnet", "test_vit"),
    "model.dropout": ("0.3",),
    "model.drop_path": ("0.2",),
    "head.mask_weight": ("0", "2.5"),
    "head.gender_weight": ("0", "2.5"),
    "head.age_weight": ("0", "2.5"),
    "head.separate.mask_backbone": ("test_resnet",),
    "head.separate.gender_backbone": ("test_resnet",),
    "head.separate.age_backbone": ("test_resnet",),
    "head.separate.mask_dropout": ("0.2",),
    "head.separate.gender_dropout": ("0.2",),
    "head.separate.age_dropout": ("0.2",),
    "head.regression.spread": ("2",),
    "image.crop": ("none", "fill", "center:24x24", "face", "face:0.5"),
    "image.size": ("48x32",),
    "rows.age_border": ("auto", "58", "45"),
    "rows.drop_ages": ("none", "20-30", "60"),
    "rows.oversample": ("none", "60+:3", "2:2,<30:3"),
    "rows.mask_images": ("1", "3"),
    "train.epochs": ("1",),
    "train.batch_size": ("5", "64"),
    "train.micro_batch_size": ("auto", "3"),
    "train.patience": ("1",),
    "train.seed": ("7",),
    "optim.name": ("adam", "adamw", "adamp", "radam", "sgd", "lion", "sam"),
    "optim.lr": ("1e-5",),
    "optim.weight_decay": ("0.01",),
    "optim.layer_decay": ("0.7",),
    "optim.clip_norm": ("1",),
    "optim.sam_rho": ("0.5",),
    "optim.sam_base": ("sgd",),
    "optim.gamma": ("0.5",),
    "optim.milestones": ("[1]",),
    "optim.min_lr": ("1e-6",),
    "optim.restart_epochs": ("1",),
    "optim.warmup_epochs": ("0.5", "1"),
    "optim.ema": ("0.9",),
    "optim.swa_epochs": ("1", "2"),
    "loss.name": ("f1+focal",),
    "loss.weights": ("[0.4]",),
    "tta.share": ("0.5",),
    # Where the lower and the upper of a pair must stay in order.
    "augment.half_face.cut_min": ("0.3",),
    "augment.half_face.cut_max": ("0.7",),
    "augment.blur.sigma_min": ("0.5",),
    "augment.blur.sigma_max": ("3",),
    "augment.erasing.area_min": ("0.1",),
    "augment.erasing.area_max": ("0.4",),
}
LONGER = {
    "optim.warmup_epochs": ("train.epochs=2",),
    "optim.swa_epochs": ("train.epochs=2",),
    "optim.milestones": ("train.epochs=2",),
    "optim.restart_epochs": ("train.epochs=2",),
    "train.patience": ("train.epochs=2",),
}


def _numbers_of(kind: Any) -> tuple[str, ...]:
    """Values of an own setting that is a number: one beside its default, within its bounds."""
    return ("0.25",) if float in typing.get_args(kind) else ("2",)


def _literals(kind: Any) -> tuple[str, ...]:
    if typing.get_origin(kind) is Literal:
        return tuple(str(x) for x in typing.get_args(kind))
    return ("true", "false") if kind is bool else ()


def _section_settings() -> dict[str, tuple[str, ...]]:
    found = {}
    for section in dataclasses.fields(Config):
        for field in dataclasses.fields(section.default_factory):  # type: ignore[arg-type]
            name = f"{section.name}.{field.name}"
            if field.name != "settings" and name not in ELSEWHERE:
                values = (*VALUES.get(name, ()), *_literals(field.type))
                if name in parts.FOLDERS:
                    values = (*values, *parts.choices(name))
                found[name] = values
    return found


def _own_settings() -> dict[str, tuple[str, ...]]:
    found = {}
    for setting in parts.FOLDERS:
        for choice in parts.choices(setting):
            module = parts.load(setting, choice)
            for field in dataclasses.fields(module.Settings):
                name = f"{parts.section_of(setting)}.{choice}.{field.name}"
                if name not in ELSEWHERE:
                    values = (*VALUES.get(name, ()), *_literals(field.type))
                    found[name] = values or _numbers_of(field.type)
    return found


def _companions(name: str) -> list[str]:
    """What else must be set so that a setting has an effect."""
    section, *rest = name.split(".")
    sets = []
    if len(rest) == 2:
        choice = rest[0]
        setting = next(
            s for s in parts.FOLDERS
            if parts.section_of(s) == section and choice in parts.choices(s)
        )  # fmt: skip
        sets = [f"{setting}={choice}"]
        name = setting if setting == "head.age" else name
    if name in NEEDS:
        other, values = NEEDS[name]
        sets.append(f"{other}={values[0]}")
    if name == "rows.augment":
        sets += ["rows.oversample=60+:3", "augment.name=flip+half_face"]
    return sets


SETTINGS = _section_settings() | _own_settings()
CASES = [(name, value) for name, values in SETTINGS.items() for value in values]


def test_every_setting_has_a_value_here_or_a_test_elsewhere() -> None:
    assert [name for name, values in SETTINGS.items() if not values] == []
    assert len(CASES) > 100


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*")
@pytest.mark.parametrize(("name", "value"), CASES)
def test_it_trains_and_predicts(tmp_path: Path, name: str, value: str) -> None:
    sets = [*_companions(name), *LONGER.get(name, ()), f"{name}={value}"]
    run = TinyRun.write(tmp_path, ["train.checkpoint_s=600", "train.epochs=1", *sets])
    notes = Notes()
    done = run_fold(run.job, Alone(), notes)
    rows, logits = run.logits(run.files.held_out_name(done.best_epoch))
    assert len(rows) == done.images.held_out
    assert logits.shape == (len(rows), 18)
    assert np.isfinite(logits).all()
    assert all(np.isfinite(entry.train_loss) for entry in notes.epochs)
    assert run.job.eval_pixels is not None
    assert run.files.result() == done
    job = PredictJob(run.checkpoints.location, done.checkpoint, run.job.eval_pixels, "cpu", 1)
    # The checkpoint alone describes the network, its crop and its views.
    np.testing.assert_array_equal(predict_images(job)[1], run.logits("eval_logits.parquet")[1])


def test_the_tiny_run_is_what_the_cases_start_from() -> None:
    names = {text.partition("=")[0] for text in SETS}
    assert names <= set(SETTINGS) | ELSEWHERE
