"""Groups by their names: the order of the NFC forms, and digests of them."""

import hashlib
from unicodedata import normalize

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskcls.core.names import nfc
from maskcls.folds.names import group_digests, order_by_name

text = st.text(
    st.sampled_from("ab-/0가나éü🙂ﾊ") | st.characters(exclude_categories=["Cs"]), max_size=5
)


@settings(deadline=None)
@given(st.lists(text, max_size=20, unique_by=nfc))
def test_the_order_is_pythons_order_of_the_composed_names(names: list[str]) -> None:
    for forms in (names, [normalize("NFD", name) for name in names], sorted(names, key=nfc)):
        found = order_by_name(pd.Series(forms, dtype="str"))
        assert found.tolist() == sorted(range(len(forms)), key=lambda place: nfc(forms[place]))


def test_a_name_in_two_spellings_occurs_twice() -> None:
    for names in (["가", "b", normalize("NFD", "가")], ["b", "a", "b"], ["a", "a"]):
        with pytest.raises(ValueError, match="a name occurs twice"):
            order_by_name(pd.Series(names, dtype="str"))


def test_digests_are_those_of_the_composed_name() -> None:
    found = group_digests(pd.Series(["p1", normalize("NFD", "가"), "가"], dtype="str"))
    assert found.dtype == np.uint64
    assert found[0] == int(hashlib.sha256(b"p1").hexdigest()[:16], 16)
    assert found[1] == found[2] == int(hashlib.sha256("가".encode()).hexdigest()[:16], 16)
    assert group_digests(pd.Categorical(["b", "p1"]).categories).tolist()[1] == found[0]
