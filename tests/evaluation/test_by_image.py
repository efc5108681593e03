"""Held-out rows of several runs are brought together by image, whatever their order."""

from pathlib import Path

import numpy as np
import pytest

from maskcls.core.errors import UserError
from maskcls.evaluation.by_image import read_aligned
from tests.evaluation.held_out_runs import write_held_out_run

IMAGES, GROUPS, LABELS, FOLDS = (
    list("abcdef"),
    list("112233"),
    [0, 1, 2, 3, 0, 1],
    [0, 0, 1, 1, 2, 2],
)


def logits_of(images: list[str], shift: float = 0) -> np.ndarray:
    """Logits that tell which image they are of."""
    first = np.array([ord(name) for name in images], np.float32)
    return np.stack([first + shift, *[np.zeros(len(images))] * 3], axis=1).astype(np.float32)


def test_images_in_another_order_and_some_that_only_one_run_has(tmp_path: Path) -> None:
    one = write_held_out_run(tmp_path / "a", IMAGES, GROUPS, LABELS, logits_of(IMAGES), FOLDS)
    order = [5, 3, 2, 0, 1]
    other_images = [*(IMAGES[i] for i in order), "new"]
    logits = np.concatenate([logits_of(other_images[:5], 0.5), np.ones((1, 4), np.float32)])
    other = write_held_out_run(
        tmp_path / "b", other_images, [*(GROUPS[i] for i in order), "9"],
        [*(LABELS[i] for i in order), 0], logits, [*(FOLDS[i] for i in order), 0],
    )  # fmt: skip
    found = read_aligned([one, other])
    assert list(found.images) == list("abcdf")
    assert found.left_out == 2
    assert found.labels.tolist() == [0, 1, 2, 3, 1]
    assert found.groups.tolist() == [0, 0, 1, 1, 2]
    second = found.of([1])
    assert [len(second.held_out), len(second.places)] == [1, 1]
    assert second.held_out[0] is found.held_out[1]
    assert list(second.images) == list(found.images)
    for run, shift in ((0, 0.0), (1, 0.5)):
        mean = found.mean_by_image(run, found.held_out[run].rows.logits)
        np.testing.assert_array_equal(mean, logits_of(list("abcdf"), shift))


def test_repeats_of_an_image_are_averaged(tmp_path: Path) -> None:
    both = np.concatenate([logits_of(IMAGES), logits_of(IMAGES, 1.0)])
    both[7] = np.nan  # b could not be decoded in the second repeat
    one = write_held_out_run(tmp_path / "a", IMAGES, GROUPS, LABELS, both, FOLDS, repeats=2)
    found = read_aligned([one])
    expected = logits_of(IMAGES, 0.5)
    expected[1, 0] -= 0.5
    np.testing.assert_array_equal(found.mean_by_image(0, found.held_out[0].rows.logits), expected)


def test_runs_without_common_images_or_with_other_labels_are_refused(tmp_path: Path) -> None:
    one = write_held_out_run(tmp_path / "a", IMAGES, GROUPS, LABELS, logits_of(IMAGES), FOLDS)
    other = write_held_out_run(
        tmp_path / "b", [2 * i for i in IMAGES], GROUPS, LABELS, logits_of(IMAGES), FOLDS
    )
    with pytest.raises(UserError, match=r"b: it has no held-out image in common with .*a, so"):
        read_aligned([one, other])
    labels = [0, 1, 2, 2, 0, 1]
    other = write_held_out_run(tmp_path / "c", IMAGES, GROUPS, labels, logits_of(IMAGES), FOLDS)
    with pytest.raises(UserError, match=r"c: d has another label than in .*a; only runs on the"):
        read_aligned([one, other])
