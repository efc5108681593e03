"""The entries that the provenances of ensemble and predict share."""

from pathlib import Path

import numpy as np

from maskcls.evaluation.decided import Asked, Eval, EvalSample, decide
from maskcls.evaluation.members import member_of, read_members
from maskcls.evaluation.pooled import Combining
from maskcls.evaluation.sources import sources_of
from maskcls.store.run import Run
from tests.commands.run_factory import write_run
from tests.tasks import FRUIT


def written(folder: Path) -> Run:
    """A finished run of two folds."""
    return Run(write_run(folder, ["x.jpg"], np.zeros((2, 1, 4)), ["folds.count=2"], task=FRUIT))


def test_runs_decision_and_form_are_named(tmp_path: Path) -> None:
    run = written(tmp_path / "a")
    first = run.fold(0).result()
    assert first is not None
    member = member_of(run, [first], {"x.jpg": "cut"}, [1])
    assert (member.folds, member.about.missing_folds) == ([0], [1])
    images = Eval(1, lambda: EvalSample(np.zeros((1, 1, 4), np.float32), None))
    how, shares = Combining("probs"), np.full(4, 0.25)
    decided = decide([(run, [0])], how, Asked("argmax"), None, images, shares)
    found = sources_of([member], decided, ("file", "kind"), "value", "the largest wins", 1, [2.0])
    assert found["rule"] == "mean of the members' probabilities; the largest wins"
    assert found["task"] == {"name": "fruit", "classes": list(FRUIT.classes)}
    assert found["answers"] == {"columns": ["file", "kind"], "values": "value"}
    assert (found["members"], found["images"], found["weights"]) == ([f"{run} fold 0"], 1, [2.0])
    assert found["runs"][0]["missing_folds"] == [1]
    assert {name: found[name] for name in decided.about()} == decided.about()


def test_a_member_is_described_as_an_ensemble_reads_it(tmp_path: Path) -> None:
    run = written(tmp_path / "a")
    (read,) = read_members([run], allow_missing=False)
    results = [result for fold in run.folds() if (result := fold.result()) is not None]
    assert member_of(run, results, {}) == read
