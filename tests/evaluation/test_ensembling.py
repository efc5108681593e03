"""Averaging members and counting their votes: against others' code, with ties and what is missing."""

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import VotingClassifier
from sklearn.preprocessing import LabelEncoder

from maskcls.core.errors import UserError
from maskcls.core.mask import class_of
from maskcls.evaluation import ensembling
from maskcls.evaluation.ensembling import RULES, Rule, combine, probabilities, rule_named
from tests.tasks import MASK, labels_of

few = settings(deadline=None, max_examples=30)
NAN = float("nan")


def test_softmax_sums_to_one_and_survives_big_logits() -> None:
    probs = ensembling.softmax(np.array([[1e4, 0.0, -1e4], [0.0, 0.0, 0.0]]))
    assert probs.sum(axis=1) == pytest.approx([1, 1])
    assert probs[1] == pytest.approx([1 / 3] * 3)


# ---- rules, against scikit-learn and scipy -------------------------------------------------------


class Given:
    """A fitted classifier that answers with the given probabilities."""

    def __init__(self, probs: np.ndarray) -> None:
        self.probs = probs

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.probs[rows]
        return found

    def predict(self, rows: np.ndarray) -> np.ndarray:
        answers: np.ndarray = self.probs[rows].argmax(axis=1)
        return answers


def scikit_learns(probs: np.ndarray, voting: str, weights: list[float] | None) -> np.ndarray:
    """What a VotingClassifier of fitted members answers; probs: [M, N, 18]."""
    members = [Given(one) for one in probs]
    voter = VotingClassifier(
        [(str(i), m) for i, m in enumerate(members)], voting=voting, weights=weights
    )
    voter.estimators_, voter.le_ = members, LabelEncoder().fit(range(18))
    voter.classes_ = voter.le_.classes_
    rows = np.arange(probs.shape[1])
    answers: np.ndarray = voter.predict(rows)
    return answers


members = st.tuples(st.integers(1, 6), st.integers(1, 8), st.integers(0, 2**32 - 1)).map(
    lambda given: np.random.default_rng(given[2]).normal(0, 2, (*given[:2], 18)).astype(np.float32)
)


@few
@given(members, st.data())
def test_means_are_scikit_learns_soft_vote_and_numpys_average(
    logits: np.ndarray, data: st.DataObject
) -> None:
    weight = st.floats(0.1, 10)
    count = len(logits)
    weights = data.draw(st.none() | st.lists(weight, min_size=count, max_size=count))
    given_weights = None if weights is None else np.array(weights)
    wide = logits.astype(np.float64)
    mean = combine(logits, "logits", given_weights)
    assert mean == pytest.approx(np.average(wide, 0, weights), rel=1e-12)
    probs = scipy.special.softmax(wide, axis=2)
    found = combine(logits, "probs", given_weights)
    assert found == pytest.approx(np.log(np.average(probs, 0, weights)), rel=1e-9, abs=1e-12)
    assert found.argmax(axis=1).tolist() == scikit_learns(probs, "soft", weights).tolist()


@few
@given(members, st.data())
def test_a_vote_without_ties_is_scikit_learns_hard_vote(
    logits: np.ndarray, data: st.DataObject
) -> None:
    # Of these weights no two different sums are equal, so there is no tie.
    weights = data.draw(st.permutations([2.0**i for i in range(len(logits))]))
    probs = scipy.special.softmax(logits.astype(np.float64), axis=2)
    found = combine(logits, "vote", np.array(weights)).argmax(axis=1)
    assert found.tolist() == scikit_learns(probs, "hard", weights).tolist()


@few
@given(members)
def test_of_equal_votes_the_mean_probability_decides(logits: np.ndarray) -> None:
    probs = scipy.special.softmax(logits.astype(np.float64), axis=2)
    found = combine(logits, "vote").argmax(axis=1)
    for image in range(logits.shape[1]):
        votes = np.bincount(probs[:, image].argmax(axis=1), minlength=18)
        tied = np.flatnonzero(votes == votes.max())
        mean = probs[:, image].mean(axis=0)
        assert found[image] == tied[mean[tied].argmax()]


@few
@given(members, st.data())
def test_a_vote_by_task_is_three_votes(logits: np.ndarray, data: st.DataObject) -> None:
    weights = data.draw(st.permutations([2.0**i for i in range(len(logits))]))
    probs = scipy.special.softmax(logits.astype(np.float64), axis=2)
    parts, answer = labels_of(np.arange(18)), {}
    for task, values in parts.items():
        of_task = np.stack([probs[:, :, values == v].sum(axis=2) for v in np.unique(values)], 2)
        answer[task] = scikit_learns(of_task, "hard", weights)
    found = combine(logits, "vote_parts", np.array(weights), MASK.sizes).argmax(axis=1)
    wanted = class_of(answer["mask"], answer["gender"], answer["age"])
    assert found.tolist() == wanted.tolist()


def probs_to_logits(*rows: dict[int, float]) -> np.ndarray:
    """Members [M, 1, 18] of one image, by the probabilities of some classes."""
    logits = np.full((len(rows), 1, 18), -30.0, np.float32)
    for member, row in enumerate(rows):
        for number, prob in row.items():
            logits[member, 0, number] = np.log(prob)
    return logits


def test_votes_by_task_by_hand_where_they_differ_from_a_vote() -> None:
    # Three members agree on nothing but parts: worn male <30 (0), worn female 30-59 (4), incorrect
    # female <30 (9). Each class has one vote, and the surest is 0. By task: worn 2:1, female 2:1,
    # <30 2:1, which is class 3, that no member named.
    logits = probs_to_logits({0: 0.9, 1: 0.1}, {4: 0.6, 5: 0.4}, {9: 0.6, 11: 0.4})
    assert combine(logits, "vote")[0].argmax() == 0
    scores = combine(logits, "vote_parts", sizes=MASK.sizes)[0]
    assert scores.argmax() == 3
    assert scores[3] == pytest.approx(2, abs=1e-5)  # two thirds of each of the three tasks
    assert scores[0] == pytest.approx((2 + 1 + 2) / 3, abs=1e-5)
    assert scores[17] == pytest.approx(2 / 3, abs=1e-5)  # female


def test_a_task_is_decided_by_its_own_probability_not_by_the_class() -> None:
    # The likeliest class is 0 (male), but female is likelier than male: .3 + .3 against .4.
    logits = probs_to_logits({0: 0.4, 3: 0.3, 4: 0.3})
    assert combine(logits, "vote")[0].argmax() == 0
    assert combine(logits, "vote_parts", sizes=MASK.sizes)[0].argmax() == 3  # <30 is .7


def test_the_rules_by_hand_on_one_image() -> None:
    # Two unsure members for class 1, one very sure one for class 2.
    logits = probs_to_logits({1: 0.5, 2: 0.4, 0: 0.1}, {1: 0.5, 2: 0.4, 0: 0.1}, {2: 0.98, 1: 0.02})
    found = {rule: int(combine(logits, rule, sizes=MASK.sizes)[0].argmax()) for rule in RULES}
    assert found == {"logits": 2, "probs": 2, "vote": 1, "vote_parts": 1}
    heavy = np.array([1.0, 1.0, 2.5])
    assert combine(logits, "vote", heavy)[0].argmax() == 2
    # Less than two: the two others have more votes again.
    assert combine(logits, "vote", np.array([1.0, 1.0, 1.9]))[0].argmax() == 1


@pytest.mark.parametrize("rule", RULES)
def test_members_without_logits_leave_the_rest_to_the_others(rule: Rule) -> None:
    logits = np.random.default_rng(1).normal(size=(3, 4, 18)).astype(np.float32)
    logits[0, 1] = NAN
    logits[:2, 2] = NAN
    logits[:, 3] = NAN
    weights = np.array([5.0, 2.0, 3.0])
    for given_weights in (None, weights):
        found = combine(logits, rule, given_weights)
        assert np.isnan(found[3]).all()
        assert not np.isnan(found[:3]).any()
        two = None if given_weights is None else weights[1:]
        one = None if given_weights is None else weights[2:]
        assert found[1] == pytest.approx(combine(logits[1:, [1]], rule, two)[0])
        assert found[2] == pytest.approx(combine(logits[2:, [2]], rule, one)[0])


@pytest.mark.parametrize("rule", RULES)
def test_neither_the_members_order_nor_the_weights_scale_matters(rule: Rule) -> None:
    logits = np.random.default_rng(2).normal(size=(5, 30, 18)).astype(np.float32)
    weights = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    found = combine(logits, rule, weights)
    order = [3, 1, 4, 0, 2]
    assert combine(logits[order], rule, 7 * weights[order]) == pytest.approx(found)
    assert combine(logits, rule, np.full(5, 3.0)) == pytest.approx(combine(logits, rule))


@few
@given(st.integers(1, 5), st.integers(2, 30), st.integers(0, 2**32 - 1))
def test_of_one_part_a_vote_by_parts_is_a_vote(count: int, classes: int, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(size=(count, 20, classes)).astype(np.float32)
    for sizes in ((), (classes,)):
        by_parts = combine(logits, "vote_parts", sizes=sizes)
        assert by_parts.tolist() == combine(logits, "vote").tolist()


def test_probabilities_are_of_the_mean_logits_or_the_mean_of_the_members() -> None:
    logits = np.random.default_rng(4).normal(0, 3, size=(3, 7, 4)).astype(np.float32)
    logits[:, 5] = NAN
    logits[0, 2] = NAN
    wide = logits.astype(np.float64)
    of_mean = probabilities(combine(logits, "logits"), "logits")
    assert of_mean[0] == pytest.approx(scipy.special.softmax(wide[:, 0].mean(axis=0)))
    of_members = probabilities(combine(logits, "probs"), "probs")
    assert of_members[0] == pytest.approx(scipy.special.softmax(wide[:, 0], axis=1).mean(axis=0))
    assert of_members[2] == pytest.approx(scipy.special.softmax(wide[1:, 2], axis=1).mean(axis=0))
    for probs in (of_mean, of_members):
        assert np.isnan(probs[5]).all()
        assert np.delete(probs, 5, axis=0).sum(axis=1) == pytest.approx([1] * 6)
    for rule in ("vote", "vote_parts"):
        with pytest.raises(UserError, match=rf"--rule {rule}: .*use --rule logits or probs"):
            probabilities(of_mean, rule)  # type: ignore[arg-type]


def test_a_rule_is_known_by_its_name_and_the_old_one_says_the_new() -> None:
    assert [rule_named(rule) for rule in RULES] == list(RULES)
    with pytest.raises(UserError, match="--rule vote_tasks is called vote_parts now"):
        rule_named("vote_tasks")
    with pytest.raises(UserError, match="no such rule; there are logits, probs, vote, vote_parts"):
        rule_named("mean")


# Not vote_parts, see test_a_task_is_decided_by_its_own_probability_not_by_the_class.
@pytest.mark.parametrize("rule", ["logits", "probs", "vote"])
def test_one_member_alone_keeps_its_answers(rule: Rule) -> None:
    logits = np.random.default_rng(3).normal(0, 3, size=(1, 50, 18)).astype(np.float32)
    assert combine(logits, rule).argmax(1).tolist() == logits[0].argmax(1).tolist()
