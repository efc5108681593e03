"""Age ranges and factors: what is written is what is read, and what is refused."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskcls.config.resolve import resolve, to_json
from maskcls.config.values import AgeRanges, Factors

few = settings(deadline=None, max_examples=30)
ages = st.integers(0, 999)
ranges = st.lists(st.tuples(ages, ages).map(lambda pair: (min(pair), max(pair))), max_size=5)
NAMES = (*map(str, range(18)), "<30", "30-59", "60+", "daisy", "Felis catus", "a:b", "가")
factors = st.lists(st.sampled_from(NAMES), unique=True, max_size=6).flatmap(
    lambda groups: st.tuples(*(st.tuples(st.just(g), st.integers(1, 50)) for g in groups))
)


@few
@given(ranges)
def test_age_ranges_are_read_as_they_are_written(pairs: list[tuple[int, int]]) -> None:
    made = AgeRanges(tuple(pairs))
    assert AgeRanges.parse(str(made)) == made
    spaced = str(made).replace(",", " , ")
    assert AgeRanges.parse(spaced) == made


@few
@given(ranges, ages)
def test_both_ends_of_a_range_are_inside(pairs: list[tuple[int, int]], age: int) -> None:
    inside = {one for low, high in pairs for one in range(low, high + 1)}
    assert (age in AgeRanges(tuple(pairs))) == (age in inside)


@few
@given(factors)
def test_factors_are_read_as_they_are_written(pairs: tuple[tuple[str, int], ...]) -> None:
    made = Factors(pairs)
    assert Factors.parse(str(made)) == made
    assert Factors.parse(str(made).replace(",", " , ")) == made


@few
@given(st.text("0123456789-,: +<²٣abno", max_size=12))
def test_any_text_is_read_or_refused_in_our_words(text: str) -> None:
    for kind in (AgeRanges, Factors):
        try:
            made = kind.parse(text)
        except ValueError as e:
            assert str(e).startswith("expected ")  # noqa: PT017 (most texts are refused, not all)
        else:
            assert kind.parse(str(made)) == made


def test_any_name_may_have_a_factor_since_the_task_is_not_known_yet() -> None:
    read = Factors.parse("sea lion:2, n02123045:3,18:2,59+:2")
    assert read.factors == (("sea lion", 2), ("n02123045", 3), ("18", 2), ("59+", 2))


def test_one_age_is_a_range_of_one_year() -> None:
    assert AgeRanges.parse("57") == AgeRanges.parse(57) == AgeRanges.parse("57-57")
    assert str(AgeRanges.parse("57-57")) == "57"
    assert str(AgeRanges(())) == str(Factors(())) == "none"
    assert AgeRanges.parse(AgeRanges(((1, 2),))) == AgeRanges(((1, 2),))


@pytest.mark.parametrize(
    "value",
    ["", "59-57", "57-", "-57", "57-59-61", "57;58", "57,", "a", "1000", True, None, 57.5, [57]],
)
def test_what_are_no_ages_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"^expected ages such as 57-59 or 27-29,57-59, or none$"):
        AgeRanges.parse(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "60+",
        "60+:0",
        "60+:-1",
        "60+:1.5",
        "60+:²",
        ":2",
        " :2",
        "2:3,",
        2,
        None,
    ],
)
def test_what_are_no_factors_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"^expected NAME:FACTOR, such as 60"):
        Factors.parse(value)


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^expected each name once$"):
        Factors.parse("2:3,5:3,2:4")


def test_they_need_no_quotes_on_the_command_line_and_survive_json() -> None:
    config = resolve(
        sets=["rows.drop_ages=27-29,57-59", "rows.oversample=60+:8,<30:2,2:3", "head.name=single"]
    )
    assert config.rows.drop_ages.ranges == ((27, 29), (57, 59))
    assert config.rows.oversample.factors == (("60+", 8), ("<30", 2), ("2", 3))
    rows = to_json(config)["rows"]
    assert (rows["drop_ages"], rows["oversample"]) == ("27-29,57-59", "60+:8,<30:2,2:3")
    assert resolve(sets=["rows.drop_ages=57"]).rows.drop_ages == AgeRanges(((57, 57),))


def test_a_refusal_names_setting_origin_and_value() -> None:
    from maskcls.core.errors import UserError

    with pytest.raises(UserError) as raised:
        resolve(sets=["rows.drop_ages=59-57", "rows.oversample=old:0"])
    lines = str(raised.value).splitlines()
    assert lines[0] == (
        "rows.drop_ages (from --set): expected ages such as 57-59 or 27-29,57-59, or none;"
        " it is '59-57'."
    )
    assert re.fullmatch(
        r"rows\.oversample \(from --set\): expected NAME:FACTOR.*'old:0'\.", lines[1]
    )
