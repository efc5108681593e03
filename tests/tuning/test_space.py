"""What a space file may say, and what is made of it."""

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskcls.config.layers import TomlFile, gather
from maskcls.core.errors import UserError
from maskcls.tuning.space import Choice, Range, Space, config_of, read_space

BASE = gather("smoke")


def space(text: str) -> Space:
    return read_space(TomlFile("space.toml", text.encode()), BASE)


def test_ranges_and_choices_by_their_names() -> None:
    found = space(
        """
        [search]
        sampler = "random"
        trials = 7
        [space]
        optim.lr = {low = 1e-4, high = 1e-2, log = true}
        "train.batch_size" = {low = 16, high = 64, step = 16}
        loss.name = ["cross_entropy", "focal"]
        loss.focal.gamma = {low = 0.5, high = 4.0}
        """,
    )
    assert found.search.max_trials == 7
    assert found.domains == {
        "optim.lr": Range(1e-4, 1e-2, log=True),
        "train.batch_size": Range(16, 64, step=16),
        "loss.name": Choice(("cross_entropy", "focal")),
        "loss.focal.gamma": Range(0.5, 4.0),
    }


def test_the_space_in_the_documentation_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs/search.md").read_text()
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.S)
    found = read_space(TomlFile("space.toml", text.encode()), gather())
    assert found.search.trials == 40
    assert len(found.domains) == 5


def test_without_a_budget_there_are_twenty_trials() -> None:
    assert space("[space]\noptim.lr = [1e-3, 1e-4]").search.max_trials == 20
    hours = space("[search]\nhours = 2\n[space]\noptim.lr = [1e-3, 1e-4]")
    assert hours.search.max_trials is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[space]\noptim.lrr = [1e-3, 1e-4]", "did you mean optim.lr?"),
        ("[space]\noptim.lr = [1e-3, -1.0]", "optim.lr"),
        ("[space]\noptim.lr = 1e-3", "one value"),
        ("[space]\noptim.lr = [1e-3]", "at least two values"),
        ("[space]\noptim.lr = {low = 1e-3, high = 1e-4}", "low must be below high"),
        ("[space]\noptim.lr = {low = 0.0, high = 1e-4, log = true}", "log needs low above 0"),
        ("[space]\noptim.lr = {low = 1e-4}", "a range has low and high"),
        ("[space]\noptim.lr = {low = 1e-4, high = 1, by = 2}", "a range has low and high"),
        (
            "[space]\ntrain.epochs = {low = 1, high = 9, step = 2, log = true}",
            "does not go with log",
        ),
        ("[space]\nfolds.seed = [1, 2]", "all trials have the same folds"),
        ("[space]\ncluster.threads = [1, 2]", "places the work"),
        ("[space]", "is empty"),
        ("[search]\nsampler = 'grid'\n[space]\noptim.lr = [1e-3, 1e-4]", "sampler"),
        ("[search]\ntrial = 3\n[space]\noptim.lr = [1e-3, 1e-4]", "[search] has sampler, trials"),
        ("[spaces]\noptim.lr = [1e-3, 1e-4]", "[spaces] is not a section of a space file"),
        ("optim.lr = ", "not a TOML file"),
    ],
)
def test_what_is_wrong_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=r"space\.toml") as reported:
        space(text)
    assert sentence in str(reported.value)
    assert len(str(reported.value).splitlines()) == 1


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(UserError) as reported:
        space("[space]\noptim.lr = 3\nno.such = [1, 2]\nfolds.count = [2, 3]")
    assert len(str(reported.value).splitlines()) == 3


def shares() -> st.SearchStrategy[float]:
    return st.floats(0, 1, exclude_max=True)


@given(shares())
def test_a_range_covers_what_it_says(share: float) -> None:
    for domain in (Range(3, 9), Range(16, 64, step=16), Range(2, 400, log=True)):
        value = domain.at(share)
        assert isinstance(value, int)
        assert domain.low <= value <= domain.high
    assert Range(16, 64, step=16).at(share) in (16, 32, 48, 64)
    log = Range(1e-5, 1e-1, log=True)
    value = log.at(share)
    assert math.isclose(log.share_of(value), share, abs_tol=1e-9)
    assert math.isclose(math.log10(value), -5 + 4 * share, abs_tol=1e-9)


def test_both_ends_of_whole_numbers_are_drawn() -> None:
    drawn = {Range(1, 3).at(i / 100) for i in range(100)}
    assert drawn == {1, 2, 3}


def lists() -> st.SearchStrategy[list[Any]]:
    return st.lists(st.integers() | st.text() | st.booleans(), min_size=2, unique_by=repr)


@given(lists())
def test_every_choice_is_reached(values: Iterable[Any]) -> None:
    choice = Choice(tuple(values))
    count = len(choice.values)
    assert [choice.at((i + 0.5) / count) for i in range(count)] == list(choice.values)


def test_a_setting_without_effect_is_left_out() -> None:
    settings = {"loss.name": "cross_entropy", "loss.focal.gamma": 3.0}
    assert "focal" not in config_of(BASE, settings).loss.settings
    settings["loss.name"] = "focal"
    assert config_of(BASE, settings).loss.settings["focal"]["gamma"] == 3.0


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(UserError):
        config_of(BASE, {"optim.swa_epochs": 2, "optim.ema": 0.9})


def test_values_that_only_go_together_may_be_searched() -> None:
    found = space(
        '[space]\nloss.name = ["cross_entropy", "f1+cross_entropy"]\n'
        "loss.weights = [[1.0, 1.0], [0.4, 0.6]]",
    )
    assert set(found.domains) == {"loss.name", "loss.weights"}
    both = {"loss.name": "f1+cross_entropy", "loss.weights": [0.4, 0.6]}
    assert config_of(BASE, both).loss.weights == (0.4, 0.6)
    with pytest.raises(UserError):
        config_of(BASE, both | {"loss.name": "cross_entropy"})


def test_what_the_user_set_may_lose_its_effect_in_a_trial() -> None:
    base = gather("smoke", None, ["optim.gamma=0.5", "loss.name=focal", "loss.focal.gamma=3"])
    assert config_of(base, {"optim.schedule": "cosine"}).optim.schedule == "cosine"
    assert "focal" not in config_of(base, {"loss.name": "f1"}).loss.settings


def test_a_presets_weights_go_with_its_own_losses() -> None:
    base = gather("resnext50_f1_focal")
    assert config_of(base, {"loss.name": "cross_entropy"}).loss.weights == ()
