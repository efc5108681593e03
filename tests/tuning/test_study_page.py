"""study.html: what it shows of results that are there, equal, undefined or named like markup."""

import re
from dataclasses import replace
from xml.etree import ElementTree

from maskcls.store.record import Record
from maskcls.tuning.study_page import page, shown_numbers
from maskcls.tuning.study_record import StudyContent
from maskcls.tuning.study_results import Compared

BETTER = Compared(
    "loss.name=focal", "loss.name=focal", {"loss.name": ["cross_entropy", "focal"]}, [0, 1], [0, 1],
    0.40, 0.43, 0.03, [0.01, 0.05], 0.004, 0.02, "seeds", 100, verdict="better",
)  # fmt: skip
WORSE = replace(
    BETTER, change="optim.lr=9", score=0.3, difference=-0.1, interval=[-0.2, -0.05], verdict="worse"
)
WAITING = Compared("b", "b", {}, [], [0], verdict="not trained yet")


def content(*results: Compared, groups: int = 12) -> StudyContent:
    data = Record.new({"images": 84, "groups": groups})
    return StudyContent(**vars(data), seeds=[0, 1], results=list(results))


def plot(text: str) -> ElementTree.Element:
    (found,) = re.findall(r"<svg.*</svg>", text, re.S)
    return ElementTree.fromstring(found)  # noqa: S314 (our own page)


def test_before_anything_is_compared() -> None:
    text = page(content())
    assert "No change has been compared yet." in text
    assert "<svg" not in text
    assert "0 changes: 0 better, 0 worse" in text


def test_dots_lie_inside_their_intervals_and_on_their_side_of_zero() -> None:
    drawn = plot(page(content(BETTER, WORSE, WAITING)))
    zero = float(drawn.findall("line")[0].attrib["x1"])
    dots = []
    for group in drawn.findall("g"):
        line, dot = group.findall("line")[0], group.findall("circle")[0]
        dots.append(float(dot.attrib["cx"]))
        assert float(line.attrib["x1"]) < dots[-1] < float(line.attrib["x2"])
    assert len(dots) == 2
    assert dots[1] < zero < dots[0]


def test_only_what_holds_among_all_changes_is_coloured() -> None:
    alone = replace(BETTER, verdict="better by itself, not among so many changes")
    coloured = [
        plot(page(content(one))).findall("g/circle")[0].attrib["fill"]
        for one in (BETTER, WORSE, alone)
    ]
    assert len(set(coloured)) == 3
    assert "1 changes: 0 better, 0 worse, 1 without" in page(content(alone))


def test_equal_sides_divide_by_nothing() -> None:
    equal = replace(BETTER, difference=0.0, interval=[0.0, 0.0], verdict="no difference shown")
    assert len(plot(page(content(equal))).findall("g")) == 1


def test_names_are_text_and_long_ones_cut_in_the_plot_only() -> None:
    name = "model.weights=<b>" + "x" * 60
    text = page(content(replace(BETTER, change=name)))
    assert "<b>" not in text
    assert f"&lt;b&gt;{'x' * 60}</td>" in text
    assert "…</text>" in text


def test_images_that_are_their_own_groups_are_not_counted_twice() -> None:
    assert "84 images of 12 groups." in page(content(BETTER))
    assert "84 images." in page(content(BETTER, groups=84))


def test_the_notes_say_where_the_noise_of_training_is_from() -> None:
    assert "as the seeds show it added" in page(content(BETTER))
    assert "as the folds of one seed show it added" in page(
        content(replace(BETTER, noise_from="folds"))
    )
    assert "of these networks alone" in page(content(replace(BETTER, noise_from=None)))
    assert "Up to 9 held-out images are left out" in page(content(replace(BETTER, left_out=9)))


def test_numbers_that_are_not_known_are_dashes() -> None:
    assert shown_numbers(WAITING) == ["-"] * 4
    assert shown_numbers(BETTER) == ["+0.0300", "[+0.0100, +0.0500]", "0.0040", "0.0200"]
