"""Lines of `maskcls runs`, from what was found."""

from dataclasses import replace

from maskcls.cli.runs_text import judgement, lines_of
from maskcls.commands.runs import Found, Listed
from maskcls.store.notes import Note
from maskcls.store.provenance import CameBack, Forecast, Submission

FINISHED = Listed(
    run="r/a", location="/r/a", state="finished", metric="macro_f1", score=0.5, interval=(0.4, 0.6),
    interval_note=None,
    base="report", preset="report", differs={"optim.lr": (0.1, 0.2)}, tags=("best",),
    notes=(Note("2026-11-28T01:00", "a text"), Note("2026-11-28T02:00", "", ("best",))),
    created="", settings={}, submissions=(),
)  # fmt: skip
BEGUN = replace(
    FINISHED,
    run="r/longer",
    state="running",
    score=None,
    interval=None,
    differs={},
    tags=(),
    notes=(),
)
SUBMISSION = Submission(
    "s.csv", (), Forecast("macro_f1", 0.6, (0.5, 0.7)), (CameBack("", 0.55, None),)
)


def test_a_line_for_each_run_and_its_notes_below():
    assert lines_of(Found((FINISHED, BEGUN), ())) == [
        "run       state     macro F1  95 %              differs from",
        "r/a       finished    0.5000  [0.4000, 0.6000]  report: optim.lr=0.2",
        "    #best",
        "    2026-11-28 a text",
        "r/longer  running          -  -                 report: nothing",
    ]


def test_an_interval_over_images_is_marked_and_explained_once():
    marked = replace(FINISHED, interval_note="each image counts", notes=(), tags=())
    lines = lines_of(Found((marked, replace(marked, run="r/b"), FINISHED), ()))
    assert "[0.4000, 0.6000]*  report" in lines[1]
    assert "[0.4000, 0.6000]   report" in lines[3]
    assert [line for line in lines if line.startswith("*")] == ["* each image counts"]
    assert lines[-1] == "* each image counts"


def test_nothing_is_said_too():
    assert lines_of(Found((), ())) == ["no run is there"]
    assert lines_of(Found((), (), 2)) == ["no run of this kind is there; others: 2"]


def test_runs_of_several_metrics_name_theirs_and_log_loss_is_shown_as_it_is():
    loss = replace(
        FINISHED, metric="log_loss", score=-0.7, interval=(-0.8, -0.6), notes=(), tags=()
    )
    lines = lines_of(Found((loss, FINISHED), ()))
    assert "log loss 0.7000  [0.6000, 0.8000]" in lines[1]
    assert "macro F1 0.5000" in lines[2]


def test_a_long_value_keeps_its_end():
    long = replace(FINISHED, differs={"model.weights": ("", "/data/" + "x" * 60 + "/last.pt")})
    (line,) = [line for line in lines_of(Found((long,), ())) if "weights" in line]
    assert "model.weights=...xxx" in line
    assert line.endswith("/last.pt")


def test_forecasts_are_listed_against_what_came_back():
    unknown = Submission("longer.csv", (), None, (CameBack("", 0.5, 0.25),))
    assert lines_of(Found((), (SUBMISSION, unknown)))[2:] == [
        "submission  forecast  95 %              public  private",
        "s.csv         0.6000  [0.5000, 0.7000]  0.5500        -  as forecast",
        "longer.csv         -  -                 0.5000   0.2500",
    ]


def test_each_score_that_came_back_last_is_judged():
    def judged(*answers: CameBack) -> str:
        return judgement(replace(SUBMISSION, submitted=answers))

    assert judged() == ""
    assert judged(CameBack("", 0.9, None), CameBack("", None, 0.6)) == (
        "public above, private as forecast"
    )
    assert judged(CameBack("", 0.9, 0.8), CameBack("", 0.6, None)) == (
        "public as forecast, private above"
    )
    assert judged(CameBack("", 0.9, 0.71)) == "both above"
    assert judged(CameBack("", None, 0.6)) == "as forecast"
    assert judged(CameBack("", 0.49, None)) == "below"
    assert judgement(replace(SUBMISSION, forecast=None)) == ""
    assert judgement(replace(SUBMISSION, forecast=Forecast("auc", 0.5, None))) == ""
