"""Settings whose default is left to the task and its data."""

import pytest

from maskcls.config.resolve import resolve, to_json
from maskcls.config.schema import Config, Folds
from maskcls.core.errors import UserError


def test_what_depends_on_the_task_is_left_open_by_default() -> None:
    config = Config()
    assert config.folds.scheme == "auto"
    assert config.rows.age_border == "auto"
    assert str(config.image.crop) == "fill"


@pytest.mark.parametrize(
    ("preset", "crop"),
    [
        ("report", "center:384x384"),
        ("report_multihead", "center:384x384"),
        ("b3_half_face", "center:384x384"),
        ("resnext50_f1_focal", "center:400x200"),
        ("record", "face:0.3"),
        ("smoke", "none"),
        ("demo", "none"),
    ],
)
def test_presets_made_for_the_mask_task_say_their_crop_themselves(preset: str, crop: str) -> None:
    assert str(resolve(preset).image.crop) == crop


@pytest.mark.parametrize(
    ("scheme", "folds"),
    [("auto", 4), ("kfold", 4), ("given", 4), ("image", 4), ("holdout", 1), ("all", 1)],
)
def test_folds_of_one_draw(scheme: str, folds: int) -> None:
    assert Folds(scheme=scheme, count=4).per_repeat == folds  # type: ignore[arg-type]
    assert Folds(scheme=scheme, count=4, repeats=2).total == 2 * folds  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "border"), [("auto", "auto"), ("58", 58), ("2", 2), ("120", 120)])
def test_an_age_border_is_an_age_or_left_to_the_task(text: str, border: int | str) -> None:
    config = resolve(sets=[f"rows.age_border={text}"])
    assert config.rows.age_border == border
    assert to_json(config)["rows"]["age_border"] == border


@pytest.mark.parametrize("text", ["1", "121", "young", "57.5"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^rows\.age_border \(from --set\): "):
        resolve(sets=[f"rows.age_border={text}"])


def test_given_folds_have_no_number_to_be_set() -> None:
    with pytest.raises(UserError, match=r"^folds\.count belongs to folds\.scheme=auto or kfold"):
        resolve(sets=["folds.scheme=given", "folds.count=3"])
    assert resolve(sets=["folds.scheme=given", "train.patience=3"]).train.patience == 3
