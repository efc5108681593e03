"""People whose rows the tests spell out, and what reading a data set says."""

from typing import TYPE_CHECKING

import pytest

from maskcls.core.errors import UserError

if TYPE_CHECKING:
    from tests.data.conftest import Dataset

WOMAN, MAN, OLD = "000001_female_Asian_45", "000002_male_Asian_18", "000600-1_male_Asian_60"
WOMAN_ROW = f"000001,female,Asian,45,{WOMAN}"


def refusal(dataset: "Dataset") -> str:
    with pytest.raises(UserError) as caught:
        dataset.read()
    return str(caught.value)


def findings(dataset: "Dataset", kind: str) -> list[str]:
    return [f"{one.where}: {one.text}" for one in dataset.read().findings if one.kind == kind]


def eval_paths(dataset: "Dataset") -> dict[str, str]:
    frame = dataset.read().eval_images
    assert frame is not None
    return dict(zip(frame["image"], frame["path"], strict=True))
