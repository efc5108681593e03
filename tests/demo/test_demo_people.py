from collections import Counter

import pytest

from maskcls.demo.people import cast, draw_person


def test_a_person_depends_on_seed_and_index_only() -> None:
    assert draw_person(3, 11) == draw_person(3, 11)
    assert cast(12, 3)[11] == draw_person(3, 11)
    assert draw_person(3, 11) != draw_person(4, 11)
    assert draw_person(3, 11) != draw_person(3, 12)


@pytest.mark.parametrize("seed", [0, 1, 17])
@pytest.mark.parametrize("first", [0, 1_000_000])
def test_six_people_hold_all_groups_and_forty_hold_five_of_each(seed: int, first: int) -> None:
    people = cast(40, seed, first)
    assert len({(p.gender, p.age_group) for p in people[:6]}) == 6
    counts = Counter((p.gender, p.age_group) for p in people)
    assert len(counts) == 6
    assert min(counts.values()) >= 5
    # The competition's order: women of 30 to 59 are the most, people of 60 and over the fewest.
    assert counts["female", 1] == max(counts.values())
    assert counts["male", 2] == counts["female", 2] == 5


def test_ids_and_ages_look_like_the_competition() -> None:
    people = cast(200, 0)
    assert [p.id for p in people[:2]] == ["000001", "000002"]
    assert people[0].folder == f"000001_{people[0].gender}_Drawn_{people[0].age}"
    assert all(18 <= p.age <= 70 for p in people)
    assert {p.age_group for p in people} == {0, 1, 2}


def test_no_single_feature_gives_the_gender_away() -> None:
    people = cast(400, 0)
    styles = {g: {p.hair_style for p in people if p.gender == g} for g in ("male", "female")}
    assert styles["male"] & styles["female"]
    assert min(p.jaw for p in people if p.gender == "male") < max(
        p.jaw for p in people if p.gender == "female"
    )
