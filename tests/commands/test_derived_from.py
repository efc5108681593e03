"""What runs were derived from, by their own records and those of their study or search."""

from dataclasses import replace
from pathlib import Path

import pytest

from maskcls.cli.main import main
from maskcls.commands.derived_from import Bases, Derived
from maskcls.config.resolve import resolve, to_json
from maskcls.config.schema import Config
from maskcls.core.plain import to_plain
from maskcls.runs.settings import asked_for
from maskcls.store.folder import Folder
from maskcls.store.record import Record
from maskcls.store.run import Run
from maskcls.tuning.search_record import SearchContent
from maskcls.tuning.study_record import StudyContent
from tests.record_factory import record
from tests.tasks import FRUIT, MASK

SETTLED = ("folds.scheme=kfold",)
"""What the data makes of folds.scheme=auto."""


def _run(
    at: Path, config: Config, command: str = "maskcls train data", task: object = FRUIT
) -> Run:
    run = Run(Folder.at(at))
    run.write_config(config)
    run.write_task(task)  # type: ignore[arg-type]
    made = record({})
    made.starts[0].command = command.split()
    run.write_record(made)
    return run


def _plain(*sets: str) -> Config:
    return resolve("plain", sets=[*SETTLED, *sets])


def _differs(found: Derived) -> dict[str, object]:
    return {name: here for name, (_, here) in found.differs.items()}


@pytest.mark.parametrize(
    ("sets", "shown"),
    [
        (["train.precision=float32"], {"train.precision": "float32"}),
        (["model.channels_last=off"], {"model.channels_last": "off"}),
        (["train.micro_batch_size=8"], {"train.micro_batch_size": 8}),
        (["rows.age_border=58"], {"rows.age_border": 58}),
        (["folds.scheme=holdout"], {"folds.scheme": "holdout"}),
        (["folds.scheme=kfold"], {"folds.scheme": "kfold"}),
        ([], {}),
    ],
)
def test_what_the_preset_leaves_open_is_shown_where_the_user_set_it(
    tmp_path: Path, sets: list[str], shown: dict[str, object]
):
    """Without an origin in the record, as in runs of earlier versions: by the command's words."""
    command = " ".join(["maskcls train data", *(f"--set {text}" for text in sets)])
    run = _run(tmp_path, _plain(*sets), f"{command} --preset=plain", MASK)
    assert _differs(Bases().of(run)) == shown


def test_folds_that_the_data_names_are_nobodys_setting(tmp_path: Path):
    config = _plain()
    config = replace(config, folds=replace(config.folds, scheme="given", count=3))
    run = _run(tmp_path, config)
    assert Bases().of(run) == Derived("plain", "plain", {})


def test_the_preset_is_that_of_the_command_else_of_the_task(tmp_path: Path):
    def base(command: str, task: object = FRUIT) -> str:
        return Bases().of(_run(tmp_path, _plain(), command, task)).base

    assert base("maskcls train data --preset smoke") == "smoke"
    assert base("maskcls train data --preset=smoke --preset record") == "record"
    assert base("maskcls train data --preset") == "plain"
    assert base("maskcls demo") == "demo"
    assert base("maskcls train data", MASK) == "report"


def test_a_run_of_a_settings_file_differs_from_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mine.toml"
    file.write_text("[optim]\nlr = 0.02\n")
    asked = asked_for("data", None, "plain", "mine.toml", ["train.epochs=3"])
    run = _run(tmp_path / "run", _plain("optim.lr=0.02", "train.epochs=3"))
    made = Record.new({})
    made.origin = asked.origin
    run.write_record(made)
    found = Bases().of(run)
    assert (found.base[:10], len(found.base), found.preset) == ("mine.toml@", 18, "plain")
    assert _differs(found) == {"train.epochs": 3}
    # Another content of the same name is another base.
    file.write_text("[optim]\nlr = 0.03\n")
    assert asked_for("data", None, "plain", "mine.toml", []).origin.base != found.base


@pytest.mark.parametrize(
    ("sets", "shown"), [(["folds.scheme=kfold"], {"folds.scheme": "kfold"}), ([], {})]
)
def test_the_record_tells_what_was_set_from_what_the_data_settled(
    tmp_path: Path, sets: list[str], shown: dict[str, object]
):
    run = _run(tmp_path, _plain())
    made = Record.new({})
    made.origin = asked_for("data", None, "plain", None, sets).origin
    run.write_record(made)
    assert _differs(Bases().of(run)) == shown


def _content(kind: type[StudyContent] | type[SearchContent], base: Config) -> dict[str, object]:
    content = kind.new({})
    content.base = to_json(base)
    values: dict[str, object] = to_plain(content)
    return values


def test_a_run_of_a_study_differs_from_the_studys_base(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    root = Folder.at(tmp_path)
    root.write_json("study.json", _content(StudyContent, _plain("optim.lr=0.02")))
    _run(tmp_path / "base-s0", _plain("optim.lr=0.02"))
    changed = _plain("optim.lr=0.02", "loss.name=focal", "loss.focal.gamma=4", "train.seed=1")
    _run(tmp_path / "loss.name=focal-s1", changed)
    assert main(["runs", str(tmp_path)]) == 0
    _, base, focal = capsys.readouterr().out.splitlines()
    assert base.endswith("study base: nothing")
    assert focal.endswith("study base: loss.name=focal train.seed=1 loss.focal.gamma=4")


def test_a_trial_differs_from_the_searchs_base(tmp_path: Path):
    root = Folder.at(tmp_path)
    root.write_json("search.json", _content(SearchContent, _plain("optim.lr=0.02")))
    trial = _run(tmp_path / "trials" / "003", _plain("optim.lr=0.02", "optim.weight_decay=0.1"))
    found = Bases().of(trial)
    assert (found.base, _differs(found)) == ("search base", {"optim.weight_decay": 0.1})
    # Beside the trials, a run of its own.
    assert Bases().of(_run(tmp_path / "best", _plain())).base == "plain"


@pytest.mark.parametrize("content", ["null", "[]", "{", '{"format": 3}'])
def test_a_damaged_study_leaves_its_runs_listed(tmp_path: Path, content: str):
    (tmp_path / "study.json").write_text(content)
    assert Bases().of(_run(tmp_path / "base-s0", _plain())).base == "plain"
