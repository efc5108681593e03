"""What every head promises with every age branch; a new file of either is tested here by itself."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from network_factory import (
    AGES,
    BRANCHED,
    COMBINATIONS,
    DISTINCT,
    HEADS,
    LOSSES,
    AgeKind,
    build,
    classes_at,
    describe,
    one_hot_target,
    pixels,
    unused,
)

from maskcls.models.heads.base import Losses, RowLoss
from maskcls.models.network import Description, Network
from maskcls.models.target import Target
from maskcls.training.objective import mixed
from tests.tasks import MASK

everywhere = pytest.mark.parametrize(("head", "kind"), DISTINCT, ids=str)
branched = pytest.mark.parametrize(("head", "kind"), BRANCHED, ids=str)


def target_at(border: int = 60) -> Target:
    return one_hot_target(classes_at(border), AGES)


def features_of(network: Network, seed: int, scale: float = 1.0) -> tuple[torch.Tensor, ...]:
    """Random features as the network's head takes them, of a row for each age."""
    features = network.backbone(pixels(2))
    widths = [f.shape[1] for f in (features if isinstance(features, tuple) else (features,))]
    generator = torch.Generator().manual_seed(seed)
    return tuple(scale * torch.randn(len(AGES), width, generator=generator) for width in widths)


def outputs_of(network: Network, seed: int, scale: float = 1.0) -> torch.Tensor:
    """What the network's head makes of random features."""
    outputs_BD: torch.Tensor = network.head(features_of(network, seed, scale)).detach()
    return outputs_BD


@pytest.mark.parametrize(("head", "kind"), COMBINATIONS, ids=str)
def test_logits_are_finite_float32_and_18_a_row(head: str, kind: AgeKind) -> None:
    network = build(describe(head, kind)).eval()
    with torch.inference_mode():
        logits_BK = network.head.logits(network(pixels(3)))
        assert logits_BK.shape == (3, 18)
        assert logits_BK.dtype == torch.float32
        assert logits_BK.isfinite().all()
        torch.testing.assert_close(logits_BK.softmax(dim=1).sum(dim=1), torch.ones(3))
        assert network.head.logits(network(pixels(3)).bfloat16()).dtype == torch.float32


@branched
@pytest.mark.parametrize("merge", ["sum", "hard"])
def test_logits_of_branches_are_log_probabilities(head: str, kind: AgeKind, merge: str) -> None:
    network = build(describe(head, kind, merge=merge)).eval()
    for scale in (1.0, 30.0, 1e4):  # from undecided to far too sure
        logits_BK = network.head.logits(outputs_of(network, seed=1, scale=scale))
        assert logits_BK.isfinite().all()
        torch.testing.assert_close(
            logits_BK.logsumexp(dim=1), torch.zeros(len(AGES)), atol=2e-6, rtol=0
        )


@everywhere
def test_a_rows_loss_does_not_depend_on_its_company(head: str, kind: AgeKind) -> None:
    network, target = build(describe(head, kind)).eval(), target_at()
    outputs_BD = outputs_of(network, seed=2)
    together_B = network.head.loss(outputs_BD, target, LOSSES)
    assert together_B.shape == (len(AGES),)
    for i in range(len(AGES)):
        own = Target(target.classes_BK[i : i + 1], target.ages_BR[i : i + 1], MASK)
        alone_B = network.head.loss(outputs_BD[i : i + 1], own, LOSSES)
        torch.testing.assert_close(alone_B, together_B[i : i + 1])


@everywhere
def test_every_parameter_gets_a_finite_gradient(head: str, kind: AgeKind) -> None:
    network = build(describe(head, kind)).train()
    network.head.loss(network(pixels(len(AGES))), target_at(), LOSSES).mean().backward()  # type: ignore[no-untyped-call]
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, f"DDP would wait for {name} for ever"
        assert parameter.grad.isfinite().all(), name
    for name, parameter in network.head.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.count_nonzero(), name


@everywhere
def test_a_small_step_lowers_the_loss_by_what_the_gradient_says(head: str, kind: AgeKind) -> None:
    network, target = build(describe(head, kind)).train(), target_at()

    def loss() -> torch.Tensor:
        return network.head.loss(network(pixels(len(AGES))), target, LOSSES).mean()

    before = loss()
    before.backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    squared_norm = sum(g.double().square().sum().item() for g in gradients)
    expected = 1e-3 * before.item()
    with torch.no_grad():
        for parameter in network.parameters():
            assert parameter.grad is not None
            parameter.sub_(expected / squared_norm * parameter.grad)
    assert before.item() - loss().item() == pytest.approx(expected, rel=0.2)


@everywhere
@pytest.mark.parametrize("border", [60, 58])
def test_training_teaches_the_class_of_every_row(head: str, kind: AgeKind, border: int) -> None:
    # The heads alone, on fixed features that distinguish all rows: what the loss pulls at must be
    # what the logits say, with 29 and 30 as well as 57, 58, 59 and 60 on their sides of the border.
    network, target = build(describe(head, kind, border=border)), target_at(border)
    features = features_of(network, seed=3)
    optimizer = torch.optim.Adam(network.head.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        network.head.loss(network.head(features), target, LOSSES).mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    logits_BK = network.head.logits(network.head(features))
    assert logits_BK.argmax(dim=1).tolist() == classes_at(border)


@pytest.mark.parametrize(
    ("head", "kind"),
    [(h, k) for h, k in DISTINCT if h == "single" or k.name != "regression"],
    ids=str,
)
@given(seed=st.integers(0, 10**6), first=st.permutations(range(len(AGES))))
@settings(deadline=None, max_examples=10)
def test_a_mixed_target_gives_the_mix_of_the_losses(
    head: str, kind: AgeKind, seed: int, first: list[int]
) -> None:
    network, own = _built(head, kind), target_at()
    other = Target(own.classes_BK[first], own.ages_BR[first], MASK)
    share_B = torch.rand(len(AGES), generator=torch.Generator().manual_seed(seed))
    outputs_BD = outputs_of(network, seed)
    mixed_B, own_B, other_B = (
        network.head.loss(outputs_BD, target, LOSSES)
        for target in (mixed(own, other, share_B), own, other)
    )
    wanted_B = share_B * own_B + (1 - share_B) * other_B
    torch.testing.assert_close(mixed_B, wanted_B, rtol=1e-5, atol=1e-5)


_networks: dict[tuple[str, AgeKind], Network] = {}


def _built(head: str, kind: AgeKind) -> Network:
    """Built once, since hypothesis asks often."""
    if (head, kind) not in _networks:
        _networks[head, kind] = build(describe(head, kind)).eval()
    return _networks[head, kind]


@pytest.mark.parametrize("head", [h for h in HEADS if h != "single"])
def test_each_branch_gets_its_own_loss_logits_target_and_weight(head: str) -> None:
    asked: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def record(part: str, value: float) -> RowLoss:
        def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            asked[part] = (logits, target)
            return torch.full((len(logits),), value)

        return loss

    softmax = AgeKind("softmax", None)
    described = weighted(describe(head, softmax), (2.0, 0.5, 3.0))
    network, target = build(described).eval(), target_at()
    values = {"mask": 1.0, "gender": 100.0, "age": 10_000.0}
    losses = Losses(unused, {part: record(part, value) for part, value in values.items()})
    outputs_BD = outputs_of(network, seed=4)
    loss_B = network.head.loss(outputs_BD, target, losses)
    assert loss_B.tolist() == [2 * 1 + 0.5 * 100 + 3 * 10_000] * len(AGES)
    for part, columns in (("mask", slice(0, 3)), ("gender", slice(3, 5)), ("age", slice(5, 8))):
        assert torch.equal(asked[part][0], outputs_BD[:, columns])
        assert torch.equal(asked[part][1], target.part(part))


def weighted(described: Description, weights: tuple[float, float, float]) -> Description:
    mask, gender, age = weights
    head = replace(described.head, mask_weight=mask, gender_weight=gender, age_weight=age)
    return replace(described, head=head)
