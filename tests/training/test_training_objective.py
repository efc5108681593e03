"""What a fold is trained to do: the network of the settings, the parts' losses, targets of rows."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional

from maskcls.config import resolve
from maskcls.config.schema import Config, Rows
from maskcls.core.mask import class_of
from maskcls.models.network import Description, models_of
from maskcls.sampling.training_rows import training_task
from maskcls.training.objective import RowTargets, build_losses, describe, mixed
from tests.tasks import FRUIT, MASK

CPU = torch.device("cpu")
COUNTS = [0] * 18
COUNTS[class_of(0, 0, 0)] = 30
COUNTS[class_of(0, 1, 1)] = 50
COUNTS[class_of(1, 1, 2)] = 20
"""Masks 80, 20, 0; genders 30, 70; age groups 30, 50, 20."""


def config_of(*sets: str) -> Config:
    return resolve.resolve(sets=sets)


def rows(classes: list[int], ages: list[int]) -> RowTargets:
    return RowTargets.on(CPU, MASK, np.array(classes), np.array(ages))


def test_age_borders_are_the_ones_that_train() -> None:
    assert describe(config_of(), MASK).task == MASK
    moved = describe(config_of("rows.age_border=58"), MASK).task
    assert moved.part("age").borders == (30, 58)
    assert moved == training_task(MASK, Rows(age_border=58))


def test_a_loss_that_needs_cosines_gives_the_network_its_scale() -> None:
    assert describe(config_of(), MASK).cosine_scale is None
    assert describe(config_of("loss.name=f1+focal"), MASK).cosine_scale is None
    described = describe(config_of("loss.name=ldam", "loss.ldam.scale=20"), MASK)
    assert described.cosine_scale == 20
    assert Description.from_json(json.loads(json.dumps(described.to_json()))).cosine_scale == 20


def test_a_checkpoint_carries_timms_own_names_of_the_backbones() -> None:
    sets = ("model.backbone=tf_efficientnet_b4_ns", "head.name=separate")
    named = "head.separate.age_backbone=hf-hub:timm/resnet18.a1_in1k"
    notes: list[str] = []
    described = describe(config_of(*sets, named), MASK, notes.append)
    assert [model.backbone for model in models_of(described)] == [
        "tf_efficientnet_b4.ns_jft_in1k", "tf_efficientnet_b4.ns_jft_in1k", "resnet18.a1_in1k",
    ]  # fmt: skip
    assert [note.partition(":")[0] for note in notes] == [
        "model.backbone=tf_efficientnet_b4_ns", "head.separate.age_backbone=hf-hub",
    ]  # fmt: skip


def test_each_parts_loss_counts_the_parts_own_rows() -> None:
    config = config_of("loss.cross_entropy.class_weights=inverse")
    losses = build_losses(config, MASK, COUNTS, epoch=0)
    # 1/n, scaled to mean 1 over the classes that have rows:
    #   masks    1/80 : 1/20         = 1 : 4       -> 2/5, 8/5, and 0 without rows
    #   genders  1/30 : 1/70         = 7 : 3       -> 7/5, 3/5
    #   ages     1/30 : 1/50 : 1/20  = 10 : 6 : 15 -> 30/31, 18/31, 45/31
    #   classes  the same three, in the order of the classes that have rows
    wanted = {
        "mask": [2 / 5, 8 / 5, 0],
        "gender": [7 / 5, 3 / 5],
        "age": [30 / 31, 18 / 31, 45 / 31],
    }
    assert list(losses.parts) == list(wanted)
    for part, weights in wanted.items():
        num = len(weights)
        loss_B = losses.parts[part](
            torch.zeros(num, num), torch.eye(num)
        )  # log num without weights
        assert (loss_B / np.log(num)).tolist() == pytest.approx(weights, abs=1e-6)
    loss_K = losses.whole(torch.zeros(18, 18), torch.eye(18)) / np.log(18)
    with_rows = np.flatnonzero(COUNTS)
    assert loss_K[with_rows].tolist() == pytest.approx([30 / 31, 18 / 31, 45 / 31], abs=1e-6)
    assert loss_K.sum().item() == pytest.approx(3, abs=1e-5)


def test_losses_are_added_by_their_weights() -> None:
    sets = ("loss.name=cross_entropy+focal", "loss.weights=[0.4, 0.6]", "loss.focal.gamma=2")
    loss = build_losses(config_of(*sets), MASK, [10] * 18, epoch=0).parts["age"]
    logits_BK = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    truth_B = torch.tensor([0, 2, 1, 1])
    cross_entropy_B = functional.cross_entropy(logits_BK, truth_B, reduction="none")
    focal_B = (1 - (-cross_entropy_B).exp()) ** 2 * cross_entropy_B
    torch.testing.assert_close(
        loss(logits_BK, functional.one_hot(truth_B, 3).float()),
        0.4 * cross_entropy_B + 0.6 * focal_B,
    )


def test_losses_know_the_epoch() -> None:
    # Class-balanced weights begin in the second epoch; before, equal logits cost every class alike.
    config = config_of("loss.name=ldam", "loss.ldam.margin=0", "loss.ldam.drw_epoch=2")
    counts = [1000, *[10] * 17]
    early_K, late_K = (
        build_losses(config, MASK, counts, epoch).whole(torch.zeros(18, 18), torch.eye(18))
        for epoch in (0, 1)
    )
    assert early_K[0] == early_K[1]
    assert late_K[0] < late_K[1]


def test_targets_are_those_of_the_rows_asked_for() -> None:
    target = rows([3, 17, 8], [19, 60, 35]).of(torch.tensor([2, 0]))
    assert target.classes_BK.dtype == target.ages_BR.dtype == torch.float32
    assert target.classes_BK.shape == (2, 18)
    assert target.ages_BR.shape == (2, 43)
    assert target.classes_BK.nonzero().tolist() == [[0, 8], [1, 3]]
    assert target.ages_BR.nonzero().tolist() == [[0, 35 - 18], [1, 19 - 18]]
    assert target.classes_BK.sum() == target.ages_BR.sum() == 2


@pytest.mark.parametrize(("age", "counts_as"), [(0, 18), (17, 18), (18, 18), (60, 60), (99, 60)])
def test_ages_outside_count_as_the_nearest(age: int, counts_as: int) -> None:
    target = rows([0], [age]).of(torch.tensor([0]))
    assert target.ages_BR.argmax(dim=1).item() + 18 == counts_as
    assert target.ages_BR.sum() == 1


def test_a_mixed_row_has_its_own_share_of_itself() -> None:
    both = rows([3, 17], [19, 60])
    own, other = both.of(torch.tensor([0, 0, 0])), both.of(torch.tensor([1, 1, 1]))
    target = mixed(own, other, torch.tensor([0.75, 1.0, 0.0]))
    assert target.classes_BK[:, 3].tolist() == [0.75, 1, 0]
    assert target.classes_BK[:, 17].tolist() == [0.25, 0, 1]
    assert target.ages_BR[:, 19 - 18].tolist() == [0.75, 1, 0]
    assert target.ages_BR[:, 60 - 18].tolist() == [0.25, 0, 1]
    assert (target.classes_BK.sum(dim=1) == 1).all()


# ---- a task without ages -------------------------------------------------------------------------


def test_a_task_without_ages_has_classes_and_no_age_in_its_targets() -> None:
    targets = RowTargets.on(CPU, FRUIT, np.array([3, 0, 2]), np.array([0, 0, 0]))
    target = targets.of(torch.tensor([2, 0]))
    assert target.task == FRUIT
    assert target.classes_BK.tolist() == [[0, 0, 1, 0], [0, 0, 0, 1]]
    assert target.ages_BR.shape == (2, 0)
    assert target.ages_BR.dtype == torch.float32
    both = mixed(target, targets.of(torch.tensor([1, 1])), torch.tensor([0.75, 0.0]))
    assert both.classes_BK.tolist() == [[0.25, 0, 0.75, 0], [1, 0, 0, 0]]
    assert both.ages_BR.shape == (2, 0)


def test_a_task_without_ages_trains_with_the_border_left_alone() -> None:
    described = describe(config_of(), FRUIT)
    assert described.task == FRUIT
    read = Description.from_json(json.loads(json.dumps(described.to_json())))
    assert read.task == FRUIT


def test_losses_of_one_part_are_those_of_the_classes() -> None:
    config = config_of("loss.cross_entropy.class_weights=inverse")
    losses = build_losses(config, FRUIT, [40, 10, 10, 20], epoch=0)
    logits_BK = torch.randn(4, 4, generator=torch.Generator().manual_seed(1))
    whole_B = losses.whole(logits_BK, torch.eye(4))
    assert list(losses.parts) == ["label"]
    assert torch.equal(losses.parts["label"](logits_BK, torch.eye(4)), whole_B)
    # 1/n, scaled to mean 1: 1/40 : 1/10 : 1/10 : 1/20 = 1 : 4 : 4 : 2
    plain_B = -logits_BK.log_softmax(dim=1).diagonal()
    assert (whole_B / plain_B).tolist() == pytest.approx([4 / 11, 16 / 11, 16 / 11, 8 / 11])
