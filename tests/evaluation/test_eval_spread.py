"""Scores of one network of each split, and how far another one lies from them."""

import numpy as np
import pytest

from maskcls.core.task import Part, Task
from maskcls.evaluation.eval_spread import spread_of
from maskcls.evaluation.pooled import Combining, Pooled
from maskcls.statistics.averaging import Spread
from maskcls.statistics.calibration import Calibration
from maskcls.statistics.rows import Rows

TWO = Task("two", (Part("label", ("a", "b")),), has_groups=True)
# Networks 0, 1 of a run and 2, 3 of another; of four eval images, the last without logits.
LEVELS = np.array([0.0, 2.0, 10.0, 16.0])
LOGITS = np.zeros((4, 4, 2), np.float32)
LOGITS[:, :, 0] = LEVELS[:, None] + np.array([0.0, 0.1, 0.2, np.nan])


def pooled(how: Combining, splits: int = 2) -> Pooled:
    """Four held-out images; each split's networks held out two of them."""
    folds = np.array([0, 0, 1, 1, 2, 2, 3, 3])[: 4 * splits]
    own = Rows(folds * 0, np.zeros((len(folds), 2), np.float32), np.arange(len(folds)) % 4, folds)
    rows = [np.arange(4) + 4 * split for split in range(splits)]
    return Pooled(TWO, own, [0, 2][:splits], rows, np.array([1.0, 3.0])[:splits], how)


def spread(how: Combining, **options: object) -> Spread | None:
    given = {"groups": None, "calibrations": {}, "shift": None} | options
    return spread_of(pooled(how), [0, 1, 2, 3], LOGITS, **given)  # type: ignore[arg-type]


def test_a_network_of_each_split_by_its_weight_against_another_choice() -> None:
    found = spread(Combining("logits"))
    assert found is not None
    assert found.networks == 2
    assert found.scores.shape == found.apart.shape == (3, 2)  # the image without logits is left out
    # A quarter of 0 or 2 and three of 10 or 16, and then the other two networks.
    one = found.scores[:, 0] - np.array([0.0, 0.1, 0.2])
    other = one - np.sqrt(2) * found.apart[:, 0]
    choices = {7.5, 8.0, 12.0, 12.5}
    assert {round(v, 4) for v in [*one, *other]} <= choices
    assert one + other == pytest.approx(20.0, abs=1e-5)
    assert found.scores[:, 1] == pytest.approx(0)


def test_scores_are_calibrated_and_shifted_as_those_of_the_answers() -> None:
    halved = {n: Calibration(2.0, np.zeros(2)) for n in range(4)}
    plain = spread(Combining("logits"))
    found = spread(Combining("logits"), calibrations=halved, shift=np.array([0.0, 5.0]))
    assert plain is not None
    assert found is not None
    margins = plain.scores[:, 0] - plain.scores[:, 1]
    assert found.scores[:, 0] - found.scores[:, 1] == pytest.approx(margins / 2 - 5, abs=1e-5)


def test_probabilities_are_averaged_before_the_logarithm() -> None:
    found = spread(Combining("probs"))
    assert found is not None
    assert np.exp(found.scores).sum(axis=1) == pytest.approx(1)


def test_of_a_group_all_images_have_the_same_network() -> None:
    found = spread(Combining("logits", by_group=True), groups=np.array([0, 0, 1, 1]))
    assert found is not None
    assert found.scores.shape == (2, 2)
    assert {round(v, 2) for v in found.scores[:, 0] - [0.05, 0.2]} <= {7.5, 8.0, 12.0, 12.5}


@pytest.mark.parametrize(
    "how", [Combining("vote"), Combining("vote_parts"), Combining("logits", by_group=True)]
)
def test_votes_and_unknown_groups_tell_nothing(how: Combining) -> None:
    assert spread(how) is None


def test_a_split_with_one_network_is_not_averaged() -> None:
    found = spread_of(pooled(Combining("logits")), [0, 2, 3], LOGITS[[0, 2, 3]], None, {}, None)
    assert found is None
    one = pooled(Combining("logits"), splits=1)
    assert spread_of(one, [0, 1], LOGITS[:2], None, {}, None) is not None
