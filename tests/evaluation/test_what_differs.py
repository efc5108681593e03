"""What differs between two runs: settings that can change numbers, code, data."""

from pathlib import Path

import pytest

from maskcls.config.resolve import resolve
from maskcls.config.schema import PLACEMENT_ONLY, Config
from maskcls.evaluation.what_differs import (
    code_that_differs,
    fingerprint_of,
    numbers_of,
    settings_changed,
    settings_that_differ,
    shown,
)
from maskcls.store.folder import Folder
from maskcls.store.record import Record
from maskcls.store.run import Run


def _config(*sets: str) -> Config:
    return resolve("plain", sets=list(sets))


def test_a_setting_with_both_values():
    found = settings_that_differ(_config(), _config("optim.lr=0.5"))
    assert found == {"optim.lr": (_config().optim.lr, 0.5)}
    assert settings_that_differ(_config(), _config()) == {}


def test_the_seed_is_no_setting():
    assert settings_that_differ(_config(), _config("train.seed=7")) == {}
    assert numbers_of(_config("train.seed=7"))["train.seed"] == 7


def test_where_a_run_computes_changes_no_number():
    assert not PLACEMENT_ONLY & numbers_of(_config()).keys()
    assert PLACEMENT_ONLY


def test_a_choice_is_one_setting_whatever_it_brings_along():
    focal = _config("loss.name=focal", "loss.focal.gamma=5")
    assert set(settings_that_differ(_config(), focal)) == {"loss.name"}
    # Where both made the choice, its own settings are what differs.
    assert set(settings_that_differ(_config("loss.name=focal"), focal)) == {"loss.focal.gamma"}
    assert "gamma 5" in shown("loss.name", "focal", focal)
    assert shown("optim.lr", 0.5, focal) == "0.5"


def test_what_was_changed_has_the_seed_and_a_new_choices_own_settings():
    changed = _config("loss.name=focal", "loss.focal.gamma=5", "train.seed=7")
    assert settings_changed(_config(), changed) == {
        "loss.name": ("cross_entropy", "focal"),
        "train.seed": (0, 7),
        "loss.focal.gamma": (None, 5.0),
    }
    # A choice with its defaults says nothing more than the choice.
    assert set(settings_changed(_config(), _config("loss.name=focal"))) == {"loss.name"}
    assert settings_changed(changed, changed) == {}


def _run(at: Path, commit: str | None, **versions: str) -> Run:
    run = Run(Folder.at(at))
    record = Record.new({"fingerprint": at.name})
    record.git_commit = commit
    record.versions = versions
    run.write_record(record)
    return run


def test_commit_and_versions_that_differ(tmp_path: Path):
    a = _run(tmp_path / "a", "abc", torch="2.0", numpy="2.1")
    b = _run(tmp_path / "b", "abd", torch="2.0", timm="1.0")
    assert code_that_differs([a], [b]) == {
        "commit": ("abc", "abd"),
        "numpy": ("2.1", None),
        "timm": (None, "1.0"),
    }
    assert code_that_differs([a], [a]) == {}


def test_code_of_several_seeds_differs_unless_both_sides_have_it_equally_often(tmp_path: Path):
    old, older, new = (
        _run(tmp_path / name, commit) for name, commit in (("a", "1"), ("b", "1"), ("c", "2"))
    )
    assert code_that_differs([old, new], [old, older]) == {"commit": ("1, 2", "1")}
    assert code_that_differs([old, new], [new, older]) == {}


@pytest.mark.parametrize("has_record", [True, False])
def test_the_fingerprint_of_the_data(tmp_path: Path, has_record: bool):
    run = _run(tmp_path / "a", None) if has_record else Run(Folder.at(tmp_path / "none"))
    assert fingerprint_of(run) == ("a" if has_record else None)
    assert code_that_differs([run], [run]) == {}
