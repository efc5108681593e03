"""The head for all classes at once: a linear layer, or cosines times a scale."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from network_factory import build, describe, pixels
from torch.nn import functional

from maskcls.config.schema import Config
from maskcls.models.heads.single import SingleHead
from maskcls.models.target import Target
from maskcls.training.objective import build_losses
from tests.tasks import FRUIT


@given(
    seed=st.integers(0, 10**6),
    scale=st.floats(0.1, 100),
    lengths=st.tuples(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3)),
)
@settings(deadline=None, max_examples=30)
def test_cosine_logits_are_scaled_cosines_of_the_angle_to_each_class(
    seed: int, scale: float, lengths: tuple[float, float]
) -> None:
    torch.manual_seed(seed)
    head = SingleHead(8, 18, scale)
    with torch.no_grad():
        head.linear.weight *= lengths[0]
    features_BF = lengths[1] * torch.randn(5, 8)
    logits_BK = head((features_BF,))
    cosine_BK = functional.cosine_similarity(
        features_BF[:, None, :], head.linear.weight[None, :, :], dim=2
    )
    torch.testing.assert_close(logits_BK, scale * cosine_BK, atol=1e-5 * scale, rtol=1e-5)
    assert (logits_BK.abs() <= scale * (1 + 1e-6)).all()


def test_features_along_a_class_reach_the_scale_and_against_it_its_negative() -> None:
    # Class 0 looks along (3, 4), whose length is 5. Features (6, 8): angle 0; (-3, -4): half a turn;
    # (4, -3): a right angle; (1, 0): cosine 3/5.
    head = SingleHead(2, 18, 30.0)
    with torch.no_grad():
        head.linear.weight[0] = torch.tensor([3.0, 4.0])
    features_BF = torch.tensor([[6.0, 8.0], [-3.0, -4.0], [4.0, -3.0], [1.0, 0.0]])
    assert head((features_BF,))[:, 0].tolist() == pytest.approx([30, -30, 0, 18], abs=1e-5)


def test_cosine_logits_have_no_bias_and_linear_ones_do() -> None:
    cosine = build(describe(cosine_scale=30.0)).eval()
    plain = build(describe()).eval()
    assert [name for name, _ in cosine.head.named_parameters()] == ["linear.weight"]
    assert [name for name, _ in plain.head.named_parameters()] == ["linear.weight", "linear.bias"]
    assert cosine(pixels(4)).abs().max() <= 30
    features_BF = plain.backbone(pixels(4))
    weight_KF, bias_K = plain.head.parameters()
    wanted_BK = features_BF @ weight_KF.T + bias_K
    torch.testing.assert_close(plain(pixels(4)), wanted_BK)


def test_of_four_classes_it_has_four_logits_and_the_loss_of_the_classes() -> None:
    network = build(describe(task=FRUIT)).eval()
    outputs_BK = network(pixels(4))
    assert (outputs_BK.shape, network.head.num_classes) == ((4, 4), 4)
    losses = build_losses(Config(), FRUIT, [10] * 4, 0)
    target = Target(torch.eye(4), torch.zeros(4, 0), FRUIT)
    wanted_B = -network.head.logits(outputs_BK).log_softmax(dim=1).diagonal()
    torch.testing.assert_close(network.head.loss(outputs_BK, target, losses), wanted_B)
