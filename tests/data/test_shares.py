"""Files of class shares: every form, and a sentence for every fault."""

import json

import pytest

from maskcls.core.errors import UserError
from maskcls.data.shares import read_shares
from tests.tasks import FRUIT, MASK

SHARES = [0.4, 0.3, 0.2, 0.1]


@pytest.mark.parametrize(
    "text",
    [
        "class,share\ndate,0.1\napple,0.4\nbanana,.3\ncherry,0.2\n",
        "note,class,share\n,3,0.1\n,0,0.4\n,1,.3\n,2,0.2\n",
        json.dumps(SHARES),
        json.dumps({"date": 0.1, "apple": 0.4, "banana": 0.3, "2": 0.2}),
    ],
)
def test_every_form_is_read(text: str) -> None:
    assert read_shares(text.encode(), "s", FRUIT).tolist() == pytest.approx(SHARES)


def test_classes_of_several_parts_and_rounded_shares() -> None:
    given = {name: 0.0555 for name in MASK.classes}
    found = read_shares(json.dumps(given).encode(), "s", MASK)
    assert found.sum() == pytest.approx(1)
    assert found.tolist() == pytest.approx([1 / 18] * 18)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("class,share\nkiwi,1\n", "s line 2: 'kiwi' is none of the classes"),
        ("class,share\napple,1\napple,0\n", "s line 3: class 'apple' occurs twice"),
        ("class,share\napple,1\n", "s: no share of banana, cherry, date"),
        ("class,share\napple,lots\n", "s line 2: 'lots' is no share"),
        ("class,share\napple,-0.1\n", "'-0.1' is no share; give a number from 0 to 1"),
        ("class,share\napple,nan\n", "'nan' is no share"),
        ("class,share\napple,1,2\n", "3 fields where the header has 2"),
        ("name,share\napple,1\n", "no column class"),
        ("[0.4, 0.3, 0.2, 0.2]", "the shares sum to 1.1; they must sum to 1"),
        ("[0.5, 0.5]", "2 shares; the task has 4 classes"),
        ("[true, 0, 0, 0]", "True is no share"),
        (f"[1{400 * chr(48)}, 0, 0, 0]", "0 is no share"),
        ('{"apple": [1]}', r"\[1\] is no share"),
        ("{", "cannot be read as JSON"),
        ("", "is empty"),
    ],
)
def test_every_fault_is_one_sentence(text: str, fault: str) -> None:
    with pytest.raises(UserError, match=fault):
        read_shares(text.encode(), "s", FRUIT)
