"""study.html: what it shows of results that are there, equal, undefined or named like markup."""

import re
from dataclasses import replace
from xml.etree import ElementTree

from maskcls.store.record import Record
from maskcls.tuning.study_page import page, shown_numbers, shown_own
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
    alone = replace(BETTER, p_adjusted=0.2)
    coloured = [
        plot(page(content(one))).findall("g/circle")[0].attrib["fill"]
        for one in (BETTER, WORSE, alone)
    ]
    assert len(set(coloured)) == 3
    assert "1 change: 0 better, 0 worse, 1 without" in page(content(alone))


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
    assert shown_numbers(WAITING) == ["-"] * 3
    assert shown_numbers(BETTER) == ["+0.0300 [+0.0100, +0.0500]", "0.0040", "0.0200"]


def test_what_is_the_same_has_no_numbers() -> None:
    same = replace(
        BETTER, difference=0.0, interval=None, p=None, p_adjusted=None, same_answers=True
    )
    assert shown_numbers(same) == ["the same", "-", "-"]
    text = page(content(same, BETTER))
    assert text.count("<circle") == 1
    assert "A change without effect has the same answers as the base" in text
    assert "1 better, 0 worse, 0 without a shown difference, 1 without effect" in text
    equal = replace(BETTER, difference=0.0, interval=[0.0, 0.0], p=1.0, p_adjusted=1.0)
    assert shown_numbers(equal) == ["the same", "1.0000", "1.0000"]


def test_scores_have_their_intervals() -> None:
    one = replace(BETTER, base_interval=[0.35, 0.45], score_interval=[0.38, 0.48])
    text = page(content(one))
    assert "is 0.4000 [0.3500, 0.4500]; the same folds, 2 seeds." in text
    assert (
        "<td>base</td><td></td><td class=n>2</td><td class=n>0.4000<br>[0.3500, 0.4500]</td>"
        in text
    )
    assert "<td class=n>0.4300<br>[0.3800, 0.4800]</td>" in text
    # Of a loss, they are of its value, as the score is shown.
    assert shown_own("log_loss", -0.5, [-0.6, -0.4]) == "0.5000 [0.4000, 0.6000]"


def test_seeds_that_are_not_trained_yet_are_not_counted() -> None:
    early = content(replace(BETTER, base_seeds=[0], seeds=[0]))
    assert "the same folds, 1 of 2 seeds." in page(early)


def test_intervals_are_over_images_where_each_is_its_own_group() -> None:
    text = page(content(BETTER, groups=84))
    assert "bootstrap over images" in text
    assert "groups" not in text
    assert "bootstrap over groups" in page(content(BETTER))


def test_it_says_for_how_many_comparisons_p_is_corrected() -> None:
    assert (
        "Holm&#x27;s correction is for 2 comparisons with the base, of 2 seeds on each side."
        in page(content(BETTER, WORSE, WAITING))
    )


def axis(*results: Compared) -> list[str | None]:
    return [text.text for text in plot(page(content(*results))).findall("text")]


def test_labels_of_the_axis_do_not_overlap() -> None:
    assert axis(BETTER, WORSE) == ["-0.200", "0", "+0.050"]
    assert axis(replace(BETTER, interval=[-0.001, 0.05])) == ["0", "+0.050"]
