"""The changes of a study: how they are written, what is refused, what their runs are called."""

import pytest

from maskcls.config.layers import gather
from maskcls.core.errors import UserError
from maskcls.tuning.study_plan import config_of, in_order, read_changes, run_name, seeds_of

BASE = gather("smoke")


def test_one_setting_and_several_that_go_together() -> None:
    texts = ["loss.name=focal", "loss.name = focal + loss.focal.gamma=4", "loss.name=f1+focal"]
    one, two, summed = read_changes(texts, BASE)
    assert one.settings == {"loss.name": ["cross_entropy", "focal"]}
    assert two.text == "loss.name=focal+loss.focal.gamma=4"
    assert two.settings["loss.focal.gamma"] == [None, 4]
    config = config_of(BASE, two, 7)
    assert (config.loss.settings["focal"]["gamma"], config.train.seed) == (4, 7)
    assert summed.settings == {"loss.name": ["cross_entropy", "f1+focal"]}


def test_another_change_does_not_keep_what_goes_with_the_bases_choice() -> None:
    base = gather("smoke", sets=["loss.name=f1+focal", "loss.weights=[0.4, 0.6]"])
    (change,) = read_changes(["loss.name=cross_entropy"], base)
    assert config_of(base, change, 0).loss.weights == ()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("loss.name", "write it as NAME=VALUE"),
        ("loss.nam=focal", "did you mean loss.name"),
        ("loss.name=cross_entropy", "changes nothing"),
        ("folds.count=3", "same folds"),
        ("train.seed=1", "--seeds"),
        ("cluster.threads=1", "changes no score"),
        ("optim.min_lr=1e-5", "belongs to optim.schedule"),
        ("optim.lr=-1", "greater than 0"),
        ("optim.lr=1+optim.lr=2", "twice"),
    ],
)
def test_a_wrong_change_is_named(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as e:
        read_changes(["optim.lr=0.5", text], BASE)
    assert str(e.value).startswith(f"--change {text.partition('+')[0]}")


def test_two_spellings_of_one_change_are_refused() -> None:
    with pytest.raises(UserError, match="the same as --change optim"):
        read_changes(["optim.lr=0.01", "optim.lr=1e-2"], BASE)


def test_runs_have_safe_names_that_do_not_collide() -> None:
    focal, weights, other = read_changes(
        ["loss.name=focal", "rows.oversample=60+:8", "rows.oversample='60+:9'"], BASE
    )
    assert run_name(None, 0) == "base-s0"
    assert run_name(focal, 2) == "loss.name=focal-s2"
    names = {weights.name, other.name}
    assert len(names) == 2
    assert not any(set(name) & set(":/ ") for name in names)


def test_every_change_comes_before_the_next_seed() -> None:
    changes = read_changes(["loss.name=focal"], BASE)
    seeds = seeds_of(config_of(BASE, None, 3), 2)
    assert seeds == [3, 4]
    assert [run_name(*run) for run in in_order(changes, seeds)] == [
        "base-s3", "loss.name=focal-s3", "base-s4", "loss.name=focal-s4",
    ]  # fmt: skip
    with pytest.raises(UserError, match="--seeds 0"):
        seeds_of(config_of(BASE, None, 0), 0)
