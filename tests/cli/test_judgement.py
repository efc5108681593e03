"""The lines that say how sure a run's score is."""

from dataclasses import replace

from maskcls.cli.judgement import judgement_lines
from maskcls.core.interval import Interval
from maskcls.store.results import Judged

FULL = Judged(
    Interval(0.95, 0.38, 0.43), "60 groups", honest=0.4, last_epoch=0.39, fold_mean=0.41,
    fold_deviation=0.02, calibration_error=0.051,
)  # fmt: skip


def test_what_was_drawn_and_what_the_choice_of_epochs_is_worth() -> None:
    assert [line.strip() for line in judgement_lines("macro_f1", FULL)] == [
        "[95 % interval of macro F1 by bootstrap over 60 groups]",
        "honest epochs 0.4000  last epochs 0.3900  folds 0.4100 +- 0.0200  calibration error 0.051",
    ]


def test_a_note_beside_an_interval_has_its_own_line() -> None:
    noted = replace(FULL, interval_note="few groups")
    assert judgement_lines("auc", noted)[-1] == "note: few groups"


def test_without_an_interval_its_note_is_the_reason() -> None:
    alone = Judged(None, "1 group", "one group tells nothing", fold_mean=0.5)
    lines = judgement_lines("accuracy", alone)
    assert [line.strip() for line in lines] == [
        "no interval of accuracy: one group tells nothing",
        "folds 0.5000",
    ]
    assert "log loss: not defined" in judgement_lines("log_loss", Judged(None, "1 group"))[0]


def test_the_spread_belongs_to_the_folds_and_a_zero_is_a_value() -> None:
    lines = judgement_lines("macro_f1", replace(FULL, honest=0.0, calibration_error=None))
    assert lines[1].strip() == "honest epochs 0.0000  last epochs 0.3900  folds 0.4100 +- 0.0200"
