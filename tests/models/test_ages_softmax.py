"""Age groups as classes: the configured loss gets the logits and the groups."""

import torch
from network_factory import AGES, AgeKind, target_of_ages
from torch.nn import functional

KIND = AgeKind("softmax", None)


def test_log_probs_are_those_of_the_softmax() -> None:
    outputs_BD = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    log_probs_B3 = KIND.build(4).log_probs(outputs_BD)
    torch.testing.assert_close(log_probs_B3.exp(), outputs_BD.softmax(dim=1))


def test_the_configured_loss_is_asked_with_the_labels_groups() -> None:
    # Labels decide, not ages: with the border at 58, those of 58 and 59 train as the oldest.
    outputs_BD = torch.randn(len(AGES), 3, generator=torch.Generator().manual_seed(2))
    target = target_of_ages(AGES, border=58)
    loss_B = KIND.build(4, (30, 58)).loss(outputs_BD, target, functional.mse_loss)
    groups = torch.tensor([(age >= 30) + (age >= 58) for age in AGES])
    torch.testing.assert_close(
        loss_B, functional.mse_loss(outputs_BD, functional.one_hot(groups, 3).float())
    )
