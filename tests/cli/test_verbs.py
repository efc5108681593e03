"""What verbs make of their options, and what they print of a result."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskcls.cli.main import main
from maskcls.cli.verbs import VERBS, demo, ensemble, lr_find, pipeline
from maskcls.cli.verbs import score as score_verb
from maskcls.cli.verbs.base import say, settings_epilog
from maskcls.cli.verbs.ensemble import print_ensemble
from maskcls.cli.verbs.study import result_lines
from maskcls.cli.verbs.train import print_metrics
from maskcls.commands import demo as demo_command
from maskcls.commands import lr_find as lr_find_command
from maskcls.commands import score as score_command
from maskcls.commands import submit as submit_command
from maskcls.commands import train as train_command
from maskcls.commands.study import Studied
from maskcls.commands.submit import Argument, Order
from maskcls.commands.train import Piped, Trained
from maskcls.core.errors import Exit
from maskcls.core.interval import Interval
from maskcls.core.tally import score_predictions
from maskcls.store.folder import Folder
from maskcls.store.record import Origin
from maskcls.store.results import FoldOfRun, GroupScore, Judged, Metrics, OutOfFold, RepeatScore
from maskcls.tuning.study_results import Compared
from tests.record_factory import result
from tests.tasks import MASK, SKIN

PROVENANCE = {
    "images": 1200, "rule": "logits", "members": [{}, {}],
    "fallback": {"images": ["a.jpg"], "class": 0},
    "runs": [{"run": "one", "missing_folds": []}, {"run": "two", "missing_folds": [1, 3]}],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run_metrics(**changes: Any) -> Metrics:
    """Of two folds, one of which has no validation set."""
    labels = np.arange(18)
    return Metrics(
        OutOfFold(score_predictions(MASK, labels, labels), 1234, 0),
        [FoldOfRun(0, 0, result(0, 0.5)), FoldOfRun(0, 1, result(1, None))],
        **changes,
    )


def test_a_verb_for_each_file() -> None:
    files = Path(ensemble.__file__).parent.glob("[!_]*.py")
    names = {path.stem.replace("_", "-") for path in files} - {"base"}
    assert {verb.name for verb in VERBS} == names


def test_scores_are_printed_per_fold_and_over_all(capsys: pytest.CaptureFixture[str]) -> None:
    print_metrics(run_metrics(train_faults=2, warning="split by image"))
    assert capsys.readouterr().out.splitlines() == [
        "fold 0  macro F1 0.5000  accuracy 0.5000  best epoch 1",
        "fold 1  no validation set",
        "out-of-fold  macro F1 1.0000  accuracy 1.0000"
        "  (1,234 images; mask 1.000  gender 1.000  age 1.000)",
        "warning: split by image",
        "degraded: 2 training and 0 eval images are missing or could not be decoded; faults.json in"
        " the run names them",
    ]


def test_parts_and_groups_have_intervals_and_one_note_is_enough(
    capsys: pytest.CaptureFixture[str],
) -> None:
    labels = np.arange(18)
    score = score_predictions(MASK, labels, labels)
    part = replace(score.parts["mask"], interval=Interval(0.95, 0.9, 1.0))
    score = replace(score, parts=score.parts | {"mask": part})
    judged = Judged(Interval(0.95, 0.8, 1.0), "18 images", "each image counts alone")
    groups = GroupScore(0.5, {"macro_f1": 0.5}, 9, 0, Interval(0.95, 0.4, 0.6))
    oof = OutOfFold(score, 18, 0, groups, judged)
    print_metrics(Metrics(oof, [], no_groups="no group is named"))
    lines = capsys.readouterr().out.splitlines()
    assert "mask 1.000 [0.900, 1.000]  gender 1.000  age 1.000" in lines[0]
    assert lines[-2] == "by group     macro F1 0.5000 [0.4000, 0.6000]  (means of 9 groups)"
    assert [line for line in lines if "note: " in line] == ["note: no group is named"]


def test_scores_of_another_task_are_printed_by_its_metric(
    capsys: pytest.CaptureFixture[str],
) -> None:
    known = score_predictions(SKIN, [0, 1], [0, 1], [[0.75, 0.25], [0.25, 0.75]])
    folds = [result(0, 0.75, metrics={"auc": 0.75, "accuracy": 0.5}), result(1, None)]
    folds[1] = replace(folds[1], metrics={"accuracy": 1.0})  # of one class only
    print_metrics(Metrics(OutOfFold(known, 2, 0), [FoldOfRun(0, f.fold, f) for f in folds]))
    assert capsys.readouterr().out.splitlines() == [
        "fold 0  AUC 0.7500  accuracy 0.5000  best epoch 1",
        "fold 1  AUC -  accuracy 1.0000  best epoch 1",
        "out-of-fold  AUC 1.0000  accuracy 1.0000  log loss 0.2877  macro F1 1.0000  (2 images)",
    ]


def test_repeats_are_named_and_a_run_without_validation_has_no_score(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fold = FoldOfRun(1, 0, result(2, None))
    print_metrics(Metrics(None, [fold], repeats=[RepeatScore(0, 0.5, {})]))
    assert capsys.readouterr().out.splitlines() == [
        "fold 0 repeat 1  no validation set",
        "out-of-fold  no score: there is no validation set",
    ]


def test_what_a_submission_lacks_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    print_ensemble("a.csv", PROVENANCE)
    assert capsys.readouterr().out.splitlines() == [
        "a.csv: 1,200 images, 2 folds, logits; a.csv.provenance.json names their sources",
        "degraded: 1 images without logits got class 0",
        "degraded: two lacks fold 1, 3",
    ]


def test_groups_that_lack_images_and_probabilities_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fallback = {"class": 0, "images": {"P1": "cut"}, "probabilities": [0.5, 0.5]}
    of_groups = {"by_group": "mean", "not_in_their_groups": {"b.jpg": "empty"}}
    print_ensemble("a.csv", PROVENANCE | of_groups | {"fallback": fallback})
    assert capsys.readouterr().out.splitlines()[:3] == [
        "a.csv: 1,200 groups, 2 folds, logits; a.csv.provenance.json names their sources",
        "degraded: 1 groups without logits got the classes' shares of the training images",
        "degraded: 1 images without logits are not in their groups' answers",
    ]


@pytest.mark.parametrize("verb", [["ensemble", "run"], ["pipeline", "data", "--run", "run"]])
def test_the_old_name_of_a_rule_says_the_new_one(
    verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*verb, "--out", "s.csv", "--rule", "vote_tasks"])
    assert "argument --rule: vote_tasks is called vote_parts now" in capsys.readouterr().err


def test_results_show_no_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    say("s3://key:secret@bucket/run: done")
    assert capsys.readouterr().out == "s3://bucket/run: done\n"


@pytest.mark.parametrize("words", [["--preset", "smoke"], ["data", "--preset=smoke"]])
def test_the_help_shows_the_preset_of_the_command_line(words: list[str]) -> None:
    assert "under preset smoke" in settings_epilog(["train", *words])
    assert "under preset report" in settings_epilog(["train"])


def test_score_prints_a_line_per_class_or_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "truth.csv").write_text("ImageID,ans\na.jpg,3\nb.jpg,3\n")
    (tmp_path / "submission.csv").write_text("ImageID,ans\nb.jpg,3\na.jpg,4\n")
    assert main([score_verb.VERB.name, "submission.csv", "truth.csv"]) == 0
    out, err = capsys.readouterr()
    first, brackets, mask, gender, age, *classes = out.splitlines()
    assert first == "macro F1 0.0370 [0.0000, 0.0964]  accuracy 0.5000  (2 images)"
    assert brackets.startswith(
        "in brackets: 95 % intervals, by bootstrap over 2 images (each image"
    )
    assert mask == "mask: macro F1 0.333  accuracy 1.000"  # the same in each resample
    assert gender == "gender: macro F1 0.500  accuracy 1.000"
    assert age == "age: macro F1 0.222 [0.000, 1.000]  accuracy 0.500"
    assert classes[3] == "    3  F1 0.667 [0.000, 1.000]       2  worn, female, <30"
    assert classes[4] == "    4  F1 0.000                      0  worn, female, 30-59"
    assert len(classes) == 18
    assert err.startswith("warning: submission.csv is in another order than truth.csv")
    assert main(["score", "--json", "submission.csv", "truth.csv"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith('{"metric": "macro_f1", "score": 0.037')
    found = json.loads(out)
    assert (found["images"], found["joined_on"]) == (2, "ImageID")
    assert found["warning"].startswith("submission.csv is in another order")
    assert found["interval"] == pytest.approx({"level": 0.95, "low": 0.0, "high": 0.0964}, abs=1e-4)
    assert err == ""


def test_pipeline_prints_both_results_and_the_worse_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked: list[Any] = []

    def piped(*given: Any) -> Piped:
        asked.extend(given)
        done = Trained(Exit.GOOD, run_metrics(), Folder.at(tmp_path))
        ensembled = train_command.Ensembled(Exit.DEGRADED, "a.csv", PROVENANCE)
        return Piped(done, ensembled)

    monkeypatch.setattr(train_command, "pipeline", piped)
    words = [pipeline.VERB.name, "data", "--run", "run", "--out", "a.csv", "--rule", "vote"]
    assert main([*words, "--preset", "smoke"]) == Exit.DEGRADED
    assert (asked[:3], asked[5], asked[8]) == (["data", "run", "a.csv"], "vote", False)
    assert asked[-1] == Origin("smoke")
    out = capsys.readouterr().out
    assert "fold 0  macro F1" in out
    assert "degraded: two lacks fold 1, 3" in out
    asked.clear()
    main([*words, "--preset", "smoke", "--by-group"])
    assert asked[8] is True


@pytest.mark.parametrize(
    ("has_eval", "next_command"),
    [
        (True, "maskcls ensemble run --out submission.csv"),
        (False, "maskcls predict run IMAGES --out predictions.csv"),
    ],
)
def test_train_names_the_next_command_that_can_be(
    has_eval: bool, next_command: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if has_eval:
        (tmp_path / "eval_table.parquet").touch()
    done = Trained(Exit.GOOD, run_metrics(), Folder.at(tmp_path))
    asked: list[Any] = []
    monkeypatch.setattr(train_command, "train", lambda *given: asked.extend(given) or done)
    words = ["train", "data", "--run", "run", "--preset", "smoke", "--set", "optim.lr=0.5"]
    assert main(words) == Exit.GOOD
    assert asked[-1] == Origin("smoke", differs={"optim.lr": [1e-3, 0.5]})
    *_, last = capsys.readouterr().out.splitlines()
    assert last == f"{tmp_path}: next, {next_command}"


@pytest.mark.parametrize(
    ("verb", "sentence"),
    [
        ("train", "the same command resumes from the last checkpoints."),
        ("score", "run the same command again."),
    ],
)
def test_an_interrupted_command_says_what_comes_next(
    verb: str, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*given: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train_command, "train", interrupted)
    monkeypatch.setattr(score_command, "score", interrupted)
    words = {"train": ["data", "--run", "run", "--preset", "smoke"], "score": ["a", "b"]}[verb]
    assert main([verb, *words]) == Exit.INTERRUPTED
    assert capsys.readouterr().err == f"maskcls {verb}: interrupted; {sentence}\n"


def test_lr_find_names_both_rates(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = lr_find_command.Found(Folder.at(tmp_path / "out"), 1e-4, 1e-2)
    monkeypatch.setattr(lr_find_command, "lr_find", lambda *given: found)
    assert main([lr_find.VERB.name, "data", "--out", "out", "--preset", "smoke"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "out/lr_find.png: the loss falls fastest at 0.0001",
        "and is lowest at 0.01; a good optim.lr is near the first.",
    ]


@pytest.mark.parametrize(
    ("words", "folder"),
    [([], "maskcls-demo"), (["--quick"], "maskcls-demo-quick"), (["--out", "here"], "here")],
)
def test_the_demo_says_whether_it_found_an_earlier_one(
    words: list[str], folder: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    labels = np.arange(18)
    (tmp_path / "s.csv").write_text("ImageID,ans\n" + "".join(f"{n},{n}\n" for n in labels))
    answers = score_command.score("s.csv", "s.csv")

    def drawn(where: str, *given: Any) -> demo_command.Demonstrated:
        assert where == folder
        return demo_command.Demonstrated(
            Exit.GOOD, Path(where), run_metrics(), answers, 18, 3.0, where == "here"
        )

    monkeypatch.setattr(demo_command, "demo", drawn)
    assert main([demo.VERB.name, *words]) == 0
    out = capsys.readouterr().out
    assert ("trained by an earlier demo" in out) is (folder == "here")
    assert "submission   macro F1 1.000  accuracy 1.000" in out
    assert f"  {folder}/submission.csv" in out


def test_submit_sends_the_job_with_its_locations(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    orders: list[Order] = []

    def submit(order: Order, *given: Any) -> submit_command.Submitted:
        orders.append(order)
        return submit_command.Submitted(
            Exit.DEGRADED, "job", ("metrics.json",), ("oof.parquet is missing.",)
        )

    monkeypatch.setattr(submit_command, "submit", submit)
    words = [
        "submit",
        "--fetch",
        "here",
        "--no-wait",
        "train",
        "s3://a/data",
        "--run",
        "s3://a/run",
    ]
    assert main(words) == Exit.DEGRADED
    (order,) = orders
    assert (order.job, order.wait, order.fetch) == ("train", False, "here")
    assert set(order.places) == {Argument("DATA", "s3://a/data"), Argument("--run", "s3://a/run")}
    assert capsys.readouterr().out.splitlines() == [
        "here: metrics.json", "degraded: oof.parquet is missing.",
    ]  # fmt: skip


def test_a_study_shows_the_base_once_and_what_its_changes_come_to(tmp_path: Path) -> None:
    one = Compared(
        "loss.name=focal", "loss.name=focal", {}, [0, 1], [0, 1], 0.40, 0.43, 0.03, [0.01, 0.05], 0.004,
        0.004, "seeds", verdict="better", base_interval=[0.3, 0.5], score_interval=[0.33, 0.53],
    )  # fmt: skip
    late = Compared("optim.lr=9", "optim.lr=9", {}, [], [0, 1], verdict="not trained yet")
    lines = result_lines(Studied(Exit.GOOD, "macro_f1", [one, late], [], None, Folder.at(tmp_path)))
    assert [re.split(r"  +", line) for line in lines[:4]] == [
        ["change", "seeds", "macro F1", "difference", "p", "p, Holm", "verdict"],
        ["base", "2", "0.4000 [0.3000, 0.5000]"],
        [
            "loss.name=focal", "2", "0.4300 [0.3300, 0.5300]", "+0.0300 [+0.0100, +0.0500]", "0.0040",
            "0.0040", "better",
        ],
        ["optim.lr=9", "0", "-", "-", "-", "-", "not trained yet"],
    ]  # fmt: skip
    assert lines[4:] == [
        "2 changes: 1 better, 0 worse, 0 without a shown difference, 1 not trained",
        "Holm's correction is for 1 comparison with the base, of 2 seeds on each side",
    ]


def test_a_proposal_for_a_task_that_is_named_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").touch()
    assert main(["check", str(tmp_path), "--propose", "--task", "mask"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--propose writes a task file for data that have none, and --task names one" in line
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
