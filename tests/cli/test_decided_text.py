"""The screen of a decision."""

from typing import Any

from maskcls.cli.decided_text import decided_lines, with_bracket_note

DECISION = {
    "rule": "tuned", "why": "as asked for", "metric": "macro_f1", "held_out": 0.44, "argmax": 0.4,
    "gain": 0.04, "interval": [0.01, 0.07], "score_interval": [0.4, 0.48], "weights": [0.625, 1.6],
}  # fmt: skip
PRIOR: dict[str, Any] = {
    "asked": "none", "used": False, "why": "not asked for", "corrected": False,
    "training": [0.75, 0.25], "estimated": None, "interval": None,
}  # fmt: skip
FORECAST = {"metric": "macro_f1", "value": 0.44, "interval": [0.4, 0.48]}
ABOUT = {"task": {"classes": ["cat", "horse"]}, "decision": DECISION, "prior": PRIOR}


def test_a_gain_and_the_forecast() -> None:
    assert decided_lines(ABOUT | {"forecast": FORECAST}) == [
        "decision: tuned class weights, factors of 0.62 to 1.60 on the class probabilities (as asked"
        " for); held-out macro F1 0.4400 [0.4000, 0.4800], argmax 0.4000, gain +0.0400 [0.0100, 0.0700]",
        "forecast: macro F1 0.4400 [0.4000, 0.4800] on the eval images, if the classes are as frequent"
        " as in training",
    ]
    averaged = FORECAST | {"averaging": 0.0123}
    assert decided_lines(ABOUT | {"forecast": averaged})[-1].endswith(
        "as in training; +0.0123 of it for averaging the networks"
    )


def test_estimated_shares_are_a_table() -> None:
    prior = PRIOR | {
        "asked": "estimated", "used": True, "why": "other shares", "corrected": True,
        "estimated": [0.5, 0.5], "interval": [[0.4, 0.4], [0.6, 0.6]],
    }  # fmt: skip
    lines = decided_lines(ABOUT | {"prior": prior, "forecast": FORECAST})
    assert "on the class probabilities, corrected for the eval shares (as asked" in lines[0]
    assert "held-out macro F1 under the eval shares 0.4400" in lines[0]
    assert lines[1:5] == [
        "prior: estimated, used: other shares",
        "  class  training  eval",
        "  cat       0.750  0.500 [0.400, 0.600]",
        "  horse     0.250  0.500 [0.400, 0.600]",
    ]
    assert lines[5].endswith("with the shares above")


def test_shares_of_a_file_have_no_interval() -> None:
    prior = PRIOR | {
        "asked": "eval.json",
        "used": True,
        "why": "from a file",
        "estimated": [0.5, 0.5],
    }
    lines = decided_lines(ABOUT | {"prior": prior, "forecast": FORECAST})
    assert lines[4] == "  horse     0.250  0.500"


def test_what_was_refused_or_chosen_by_the_same_images_is_named() -> None:
    refused = DECISION | {"rule": "argmax", "why": "nothing is surely better", "measured": "tuned"}
    line = decided_lines(ABOUT | {"decision": refused, "forecast": FORECAST})[0]
    assert "held-out macro F1 0.4400 was of tuned, argmax 0.4000 [0.4000, 0.4800], gain" in line
    chosen = ABOUT | {"forecast": FORECAST, "selection": {"used": "greedy"}}
    line = decided_lines(chosen)[0]
    assert line.endswith("; both scores are of the images that the runs were chosen by")


def test_provenances_of_earlier_versions_have_fewer_numbers() -> None:
    older = {n: value for n, value in DECISION.items() if n not in ("score_interval", "weights")}
    line = decided_lines(ABOUT | {"decision": older, "forecast": FORECAST})[0]
    assert line.startswith("decision: tuned class weights, factors on the class probabilities (as")
    assert "held-out macro F1 0.4400, argmax 0.4000, gain +0.0400 [" in line


def test_what_brackets_are_is_said_once_and_only_of_brackets() -> None:
    lines = ["a 0.1 [0.0, 0.2]", "b 0.2 [0.1, 0.3]"]
    assert with_bracket_note(lines) == [*lines, "in brackets: 95 % intervals"]
    assert with_bracket_note(["decision: argmax (as asked for)"])[1:] == []


def test_what_is_not_known_is_left_out() -> None:
    nothing = {"metric": "macro_f1", "value": None, "interval": None}
    unknown = {"rule": "argmax", "why": "no held-out images", "gain": None}
    about = ABOUT | {"decision": DECISION | unknown, "forecast": nothing}
    assert decided_lines(about) == ["decision: argmax (no held-out images)"]
    assert decided_lines({}) == []
