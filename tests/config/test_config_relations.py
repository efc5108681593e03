"""Relations: each contradiction is reported in one sentence, before anything starts."""

import dataclasses
from pathlib import Path

import pytest

from maskcls.config import layers, relations
from maskcls.config.layers import TomlFile
from maskcls.config.resolve import flat_json, resolve, to_json
from maskcls.config.schema import Cluster, Config, Folds, Section
from maskcls.core.errors import UserError

CONTRADICTIONS = [
    (
        "cluster.gpus_per_worker=1.5",
        "cluster.gpus_per_worker=1.5: a worker uses one GPU; to train a fold on several, set"
        " cluster.workers_per_fold.",
    ),
    (
        "cluster.gpus_per_worker=2 cluster.workers_per_fold=2",
        "cluster.gpus_per_worker=2: a worker uses one GPU; to train a fold on several, set"
        " cluster.workers_per_fold.",
    ),
    (
        "cluster.gpus=2 cluster.workers_per_fold=2 cluster.gpus_per_worker=.5",
        "cluster.workers_per_fold=2 needs cluster.gpus_per_worker above 0.5, which is 0.5: the workers"
        " of a fold must not share a GPU.",
    ),
    (
        "train.batch_size=7 cluster.workers_per_fold=4",
        "train.batch_size must be at least twice cluster.workers_per_fold: BatchNorm needs at least 2"
        " samples per worker.",
    ),
    (
        "folds.scheme=all folds.repeats=2",
        "folds.repeats draws several splits, and folds.scheme=all has none; vary train.seed.",
    ),
    (
        "folds.scheme=image rows.pseudo_labels=runs/a",
        "rows.pseudo_labels needs folds of groups, and folds.scheme=image has none.",
    ),
    (
        "head.name=branches head.mask_weight=0 head.gender_weight=0 head.age_weight=0",
        "head.mask_weight, head.gender_weight and head.age_weight must not all be 0.",
    ),
    (
        "rows.augment=copies augment.name=flip",
        "rows.augment=copies augments the copies that rows.oversample adds, and it adds none.",
    ),
    (
        "rows.augment=copies rows.oversample=60+:8",
        "rows.augment=copies needs something to augment with: augment.name is none.",
    ),
    (
        "rows.sampler=weighted rows.oversample=60+:8",
        "rows.sampler=weighted and rows.oversample both balance the classes; use one.",
    ),
    (
        "rows.pseudo_confidence=.9",
        "rows.pseudo_confidence belongs to rows.pseudo_labels, which is none.",
    ),
    ("augment.name=flip+noise+flip", "augment.name=flip+noise+flip names a transform twice."),
    (
        "optim.ema=.999 optim.swa_epochs=2",
        "optim.ema and optim.swa_epochs both average the weights; use one.",
    ),
    (
        "optim.swa_epochs=3 train.epochs=2",
        "optim.swa_epochs must not be above train.epochs.",
    ),
    (
        "optim.warmup_epochs=2 train.epochs=2",
        "optim.warmup_epochs must be below train.epochs.",
    ),
    (
        "optim.schedule=onecycle optim.warmup_epochs=1",
        "optim.schedule=onecycle has its own warm-up; leave optim.warmup_epochs at 0.",
    ),
    (
        "optim.schedule=cosine optim.min_lr=.01 optim.lr=.01",
        "optim.min_lr must be below optim.lr.",
    ),
    ("optim.schedule=multistep optim.milestones=[15,10]", "optim.milestones must be increasing."),
    ("optim.schedule=multistep optim.milestones=[5,5]", "optim.milestones must be increasing."),
    ("loss.name=f1+focal+f1", "loss.name=f1+focal+f1 names a loss twice."),
    (
        "loss.name=f1+focal loss.weights=[.4,.3,.3]",
        "loss.weights has 3 numbers for loss.name=f1+focal.",
    ),
    (
        "loss.name=f1+ldam",
        "loss.name: ldam has cosine logits of its own scale and cannot be added to others.",
    ),
    (
        "loss.name=ldam head.name=branches",
        "loss.name=ldam needs the cosine logits of head.name=single.",
    ),
]


@pytest.mark.parametrize(("settings", "sentence"), CONTRADICTIONS)
def test_a_contradiction_is_one_sentence(settings: str, sentence: str) -> None:
    with pytest.raises(UserError) as raised:
        resolve(sets=settings.split())
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    "text",
    [
        "folds.scheme=all", "folds.scheme=image", "folds.repeats=2", "train.patience=3",
        "rows.pseudo_labels=runs/a", "rows.sampler=weighted", "rows.oversample=60+:8",
        "optim.ema=.999", "optim.swa_epochs=2", "optim.warmup_epochs=1",
        "optim.schedule=onecycle", "loss.name=ldam", "head.name=branches",
        "cluster.workers_per_fold=4", "augment.name=flip",
    ],
)  # fmt: skip
def test_one_side_of_a_contradiction_is_none(text: str) -> None:
    resolve(sets=[text])


def test_borders_of_the_relations_are_allowed() -> None:
    for text in (
        "train.batch_size=8 cluster.workers_per_fold=4",
        "cluster.gpus_per_worker=.75",
        "cluster.gpus_per_worker=.5 cluster.workers_per_fold=2",  # wrong on GPUs only: the plan checks
        "cluster.gpus_per_worker=.5 cluster.workers_per_fold=2 cluster.gpus=0",
        "cluster.gpus_per_worker=1 cluster.workers_per_fold=2",
        "optim.swa_epochs=2 train.epochs=2",
        "optim.warmup_epochs=1.5 train.epochs=2",
        "optim.schedule=cosine optim.min_lr=.009 optim.lr=.01",
        "optim.schedule=multistep optim.milestones=[5]",
        "optim.schedule=multistep optim.milestones=[]",
        "head.name=separate head.mask_weight=0 head.gender_weight=0",
        "folds.scheme=holdout folds.repeats=3 train.patience=2",
        "rows.augment=copies rows.oversample=60+:8 augment.name=flip",
        "loss.name=f1 loss.weights=[2]",
        "loss.name=ldam loss.weights=[1]",
        "rows.pseudo_labels=runs/a rows.pseudo_confidence=.9",
    ):
        resolve(sets=text.split())


def test_one_sentence_even_when_several_relations_are_broken() -> None:
    with pytest.raises(UserError) as raised:
        resolve(sets=["optim.ema=.9", "optim.swa_epochs=2", "loss.name=f1+ldam"])
    assert len(str(raised.value).splitlines()) == 1


def test_relations_hold_for_configurations_made_in_python_too() -> None:
    with pytest.raises(ValueError, match=r"^folds\.repeats draws several splits"):
        Config(folds=Folds(scheme="all", repeats=2))
    with pytest.raises(ValueError, match="BatchNorm needs"):
        dataclasses.replace(Config(), cluster=Cluster(workers_per_fold=33))


TYPED = {
    "optim.gamma": (".5", "optim.schedule=cosine"),
    "optim.milestones": ("[3]", "optim.schedule=step"),
    "optim.min_lr": ("1e-5", "optim.schedule=onecycle"),
    "optim.restart_epochs": ("3", "optim.schedule=cosine"),
    "optim.sam_rho": (".1", "optim.name=adamw"),
    "optim.sam_base": ("sgd", "optim.name=adamw"),
    "head.age": ("coral", "head.name=single"),
    "head.merge": ("hard", "head.name=single"),
    "head.mask_weight": ("2", "head.name=single"),
    "head.gender_weight": ("2", "head.name=single"),
    "head.age_weight": ("2", "head.name=single"),
    "folds.share": (".3", "folds.scheme=kfold"),
    "folds.count": ("3", "folds.scheme=holdout"),
    "tta.share": (".8", "tta.crops=1"),
    "train.patience": ("3", "folds.scheme=all"),
}
"""A value for each setting that depends on another, and the other one where it has no effect."""


def toml(name: str, value: str) -> TomlFile:
    """A file with one setting."""
    section, key = name.split(".")
    parsed = layers.parse_value(value)
    text = f'"{parsed}"' if isinstance(parsed, str) else parsed
    return TomlFile("own.toml", f"[{section}]\n{key} = {text}\n".encode())


def test_the_tests_of_idle_settings_know_all_of_them() -> None:
    assert set(TYPED) == set(relations.NEEDS)


@pytest.mark.parametrize("name", TYPED)
def test_a_setting_without_effect_is_refused_when_typed(name: str) -> None:
    value, other = TYPED[name]
    setting, values = relations.NEEDS[name]
    expected = f"{name} belongs to {setting}={' or '.join(map(str, values))}, and it is"
    with pytest.raises(UserError) as raised:
        resolve(sets=[other, f"{name}={value}"])
    assert str(raised.value) == f"{expected} {other.partition('=')[2]}."

    with pytest.raises(UserError) as raised:
        resolve(None, toml(name, value), [other])
    assert str(raised.value).startswith(expected)


@pytest.mark.parametrize("name", TYPED)
def test_it_is_taken_where_it_has_an_effect(name: str) -> None:
    setting, values = relations.NEEDS[name]
    for one in values:
        resolve(sets=[f"{setting}={one}", f"{name}={TYPED[name][0]}"])


@pytest.mark.parametrize("name", TYPED)
def test_its_default_may_be_typed_and_says_nothing(name: str) -> None:
    section, key = name.split(".")
    default = getattr(getattr(Config(), section), key)
    text = list(default) if isinstance(default, tuple) else default
    resolve(sets=[TYPED[name][1], f"{name}={text}"])


@pytest.mark.parametrize("name", TYPED)
def test_in_a_preset_it_may_wait_for_its_use(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, other = TYPED[name]
    (tmp_path / "own.toml").write_bytes(toml(name, value).content)
    monkeypatch.setattr(layers, "_PRESETS", tmp_path)
    found = flat_json(to_json(resolve("own", sets=[other])))
    assert found[name] == layers.parse_value(value)


@pytest.mark.parametrize(
    "schedule", ["step", "multistep", "cosine", "restarts", "onecycle", "constant"]
)
@pytest.mark.parametrize("preset", layers.preset_names())
def test_presets_let_the_schedule_be_replaced(preset: str, schedule: str) -> None:
    assert resolve(preset, sets=[f"optim.schedule={schedule}"]).optim.schedule == schedule


def test_every_dependent_setting_exists() -> None:
    sections = {f.name: getattr(Config(), f.name) for f in dataclasses.fields(Config)}
    for name, (other, _) in relations.NEEDS.items():
        for flat in (name, other):
            section, key = flat.split(".")
            assert isinstance(sections[section], Section)
            assert hasattr(sections[section], key)


def test_names_in_a_sum() -> None:
    assert relations.names_in("none") == ()
    assert relations.names_in("f1") == ("f1",)
    assert relations.names_in("f1 +focal") == ("f1", "focal")
