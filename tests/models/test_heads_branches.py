"""Three branches merged to 18 classes: in the order of the task, by sum or by votes."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from network_factory import AGE_KINDS, TWO_PARTS, AgeKind, age_part, build, describe, pixels
from scipy.special import log_softmax

from maskcls.config.schema import Config
from maskcls.core.mask import class_of
from maskcls.core.task import Part, Task
from maskcls.models.ages.base import AgeBranch
from maskcls.models.heads.base import HeadInputs
from maskcls.models.heads.branches import BranchedHead
from maskcls.models.target import Target
from maskcls.training.objective import build_losses
from tests.tasks import MASK

SOFTMAX = AgeKind("softmax", None)
NUM_FEATURES = 6
LABELS = [(m, g, a) for m in range(3) for g in range(2) for a in range(3)]


def branched(kind: AgeKind = SOFTMAX, hard: bool = False) -> BranchedHead:
    torch.manual_seed(0)
    return BranchedHead(HeadInputs(MASK, (NUM_FEATURES,), kind.build, hard, {}, None))


def outputs_of(head: BranchedHead, seed: int, num: int = 7) -> torch.Tensor:
    features_BF = 5 * torch.randn(num, NUM_FEATURES, generator=torch.Generator().manual_seed(seed))
    outputs_BD: torch.Tensor = head((features_BF,)).detach()
    return outputs_BD


@given(st.integers(0, 10**6), st.floats(0.1, 20))
@settings(deadline=None, max_examples=30)
def test_class_log_probs_are_sums_of_the_branches_in_the_labels_order(
    seed: int, scale: float
) -> None:
    outputs_BD = scale * np.random.default_rng(seed).standard_normal((4, 8))
    mask, gender, age = (
        log_softmax(columns, axis=1) for columns in np.split(outputs_BD, [3, 5], axis=1)
    )
    logits_BK = branched().logits(torch.from_numpy(outputs_BD)).numpy()
    assert sorted(class_of(*labels) for labels in LABELS) == list(range(18))
    for m, g, a in LABELS:
        np.testing.assert_allclose(
            logits_BK[:, class_of(m, g, a)],
            mask[:, m] + gender[:, g] + age[:, a],
            rtol=2e-6,
            atol=2e-5,
        )


@pytest.mark.parametrize("kind", AGE_KINDS, ids=str)
def test_marginals_of_the_classes_are_the_branches(kind: AgeKind) -> None:
    head = branched(kind)
    outputs_BD = outputs_of(head, seed=1)
    probs_BK = head.logits(outputs_BD).exp()
    torch.testing.assert_close(probs_BK.sum(dim=1), torch.ones(7), atol=2e-6, rtol=0)
    by_task = {"mask": torch.zeros(7, 3), "gender": torch.zeros(7, 2), "age": torch.zeros(7, 3)}
    for m, g, a in LABELS:
        for task, label in (("mask", m), ("gender", g), ("age", a)):
            by_task[task][:, label] += probs_BK[:, class_of(m, g, a)]
    torch.testing.assert_close(by_task["mask"], outputs_BD[:, :3].softmax(dim=1))
    torch.testing.assert_close(by_task["gender"], outputs_BD[:, 3:5].softmax(dim=1))
    age = head.branches[2]
    assert isinstance(age, AgeBranch)
    ages_B3 = age.log_probs(outputs_BD[:, 5:]).exp()
    torch.testing.assert_close(by_task["age"], ages_B3, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", AGE_KINDS, ids=str)
def test_a_hard_vote_of_one_network_has_the_same_answer(kind: AgeKind) -> None:
    soft, hard = branched(kind), branched(kind, hard=True)
    outputs_BD = outputs_of(soft, seed=2, num=50)
    soft_BK, hard_BK = soft.logits(outputs_BD), hard.logits(outputs_BD)
    assert len(set(soft_BK.argmax(dim=1).tolist())) > 3
    assert torch.equal(soft_BK.argmax(dim=1), hard_BK.argmax(dim=1))
    assert not torch.allclose(soft_BK, hard_BK)


def certain(mask: int, gender: int, age: int, how: float = 9.0) -> torch.Tensor:
    """Outputs of a network that says so, with more or less confidence, [1, 8]."""
    outputs_1D = torch.zeros(1, 8)
    outputs_1D[0, [mask, 3 + gender, 5 + age]] = how
    return outputs_1D


def test_a_mean_of_hard_votes_counts_heads_and_not_confidence() -> None:
    # Two lukewarm networks say (worn, female, 30-59), one sure one says (not worn, male, 60+).
    said = [certain(0, 1, 1, 0.1), certain(0, 1, 1, 0.1), certain(2, 0, 2, 50.0)]
    soft_K, hard_K = (
        torch.cat([branched(hard=hard).logits(outputs) for outputs in said]).mean(dim=0)
        for hard in (False, True)
    )
    assert soft_K.argmax() == class_of(2, 0, 2)
    assert hard_K.argmax() == class_of(0, 1, 1)


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=9
    )
)
@settings(deadline=None, max_examples=30)
def test_a_mean_of_hard_votes_is_the_count_of_votes_of_each_branch(
    said: list[tuple[int, int, int]],
) -> None:
    # A vote for a value is worth log .999 - log(.001/(n-1)) more than one for another of n.
    worth = [math.log(0.999 / (0.001 / (n - 1))) for n in (3, 2, 3)]
    votes = [Counter(labels[task] for labels in said) for task in range(3)]
    head = branched(hard=True)
    mean_K = torch.cat([head.logits(certain(*labels)) for labels in said]).mean(dim=0)
    counted = {
        class_of(*labels): sum(
            w * v[x] / len(said) for w, v, x in zip(worth, votes, labels, strict=True)
        )
        for labels in LABELS
    }
    above_none = [mean_K[k].item() - mean_K[0].item() for k in range(18)]
    expected = [counted[k] - counted[0] for k in range(18)]
    assert above_none == pytest.approx(expected, abs=1e-4)
    # Hence the best class has the most votes in each branch.
    best = int(mean_K.argmax())
    for labels in LABELS:
        if class_of(*labels) == best:
            assert all(v[x] == max(v.values()) for v, x in zip(votes, labels, strict=True))


# ---- other tasks ---------------------------------------------------------------------------------


def no_ages(num_features: int) -> AgeBranch:
    raise AssertionError("this task has no ages")


@pytest.mark.parametrize("hard", [False, True])
def test_a_task_of_two_parts_has_two_branches_and_no_age(hard: bool) -> None:
    begun: list[str] = []
    head = BranchedHead(
        HeadInputs(TWO_PARTS, (NUM_FEATURES,), no_ages, hard, {}, None, begun.append)
    )
    assert begun == ["kind", "ripe"]
    outputs_BD = outputs_of(head, seed=3)
    assert (outputs_BD.shape, head.num_classes) == ((7, 5), 6)
    kind, ripe = (x.log_softmax(dim=1) for x in outputs_BD.split([3, 2], dim=1))
    logits_BK = head.logits(outputs_BD)
    for code in range(6):  # apple no, apple yes, banana no, ...
        wanted_B = kind[:, code // 2] + ripe[:, code % 2]
        if not hard:
            torch.testing.assert_close(logits_BK[:, code], wanted_B)
    best = 2 * kind.argmax(dim=1) + ripe.argmax(dim=1)
    assert torch.equal(logits_BK.argmax(dim=1), best)


def test_the_loss_of_two_parts_is_the_sum_of_theirs() -> None:
    head = BranchedHead(HeadInputs(TWO_PARTS, (NUM_FEATURES,), no_ages, False, {"ripe": 2.0}, None))
    outputs_BD = outputs_of(head, seed=4, num=6)
    losses = build_losses(Config(), TWO_PARTS, [10] * 6, 0)
    loss_B = head.loss(outputs_BD, Target(torch.eye(6), torch.zeros(6, 0), TWO_PARTS), losses)
    kind, ripe = (-x.log_softmax(dim=1) for x in outputs_BD.split([3, 2], dim=1))
    wanted = [kind[k, k // 2] + 2 * ripe[k, k % 2] for k in range(6)]
    torch.testing.assert_close(loss_B, torch.stack(wanted))


def test_one_part_gives_what_its_branch_says_and_a_parts_name_may_be_any() -> None:
    task = Task("odd", (Part("forward", ("a", "b", "c")),))
    network = build(describe("branches", task=task)).eval()
    outputs_BD = network(pixels(2))
    assert torch.equal(network.head.logits(outputs_BD), outputs_BD.log_softmax(dim=1))
    assert list(network.head.state_dict()) == ["branches.0.weight", "branches.0.bias"]


@pytest.mark.parametrize("kind", AGE_KINDS, ids=str)
def test_four_age_groups_make_24_classes(kind: AgeKind) -> None:
    age = age_part((20, 40, 50))
    task = replace(MASK, parts=(*MASK.parts[:2], age))
    network = build(describe("branches", kind, task=task, border=50)).eval()
    logits_BK = network.head.logits(network(pixels(5)))
    assert logits_BK.shape == (5, 24)
    torch.testing.assert_close(logits_BK.logsumexp(dim=1), torch.zeros(5), atol=2e-6, rtol=0)
