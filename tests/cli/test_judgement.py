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
        "in brackets: 95 % intervals, by bootstrap over 60 groups",
        "macro F1 with each fold's epoch chosen by the other folds 0.4000; with each fold's last epoch"
        " 0.3900",
        "mean of the folds 0.4100, standard deviation 0.0200; calibration error 0.051",
    ]


def test_a_note_beside_an_interval_has_its_own_line() -> None:
    noted = replace(FULL, interval_note="few groups")
    assert judgement_lines("auc", noted)[-1] == "note: few groups"
    assert judgement_lines("auc", noted, is_noted=True) == judgement_lines("auc", FULL)


def test_without_an_interval_its_note_is_the_reason() -> None:
    alone = Judged(None, "1 group", "one group tells nothing", fold_mean=0.5)
    lines = judgement_lines("accuracy", alone)
    assert [line.strip() for line in lines] == [
        "no interval of accuracy: one group tells nothing",
        "mean of the folds 0.5000",
    ]
    assert "log loss: not defined" in judgement_lines("log_loss", Judged(None, "1 group"))[0]


def test_a_zero_is_a_value_and_what_is_not_known_is_left_out() -> None:
    lines = judgement_lines("macro_f1", replace(FULL, honest=0.0, last_epoch=None, fold_mean=None))
    assert [line.strip() for line in lines[1:]] == [
        "macro F1 with each fold's epoch chosen by the other folds 0.0000",
        "calibration error 0.051",
    ]
