"""Three networks as parts of one: each its own weights, pixels and gradient."""

from pathlib import Path

import pytest
import timm
import torch
from network_factory import SIZE, THREE_BACKBONES, build, describe, parts_of
from safetensors.torch import save_file

from maskcls.config.schema import Model
from maskcls.models import backbone, weights
from maskcls.models import network as networks
from maskcls.models.heads import separate
from maskcls.models.heads.separate import Settings

TASKS = {"mask": slice(0, 3), "gender": slice(3, 5), "age": slice(5, 8)}
"""Columns of the outputs of each part."""
SAME = {f"{task}_backbone": "test_resnet" for task in TASKS}


def normalized(name: str, images_BCHW: torch.Tensor) -> torch.Tensor:
    """Images on 0..1 as timm says that this backbone wants them."""
    config = timm.models.get_pretrained_cfg(name)
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in (config.mean, config.std))
    return (images_BCHW - mean) / std


def images(num: int = 4) -> torch.Tensor:
    return torch.rand(num, 3, 32, 32, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(
    "order",
    [
        ("test_efficientnet", "test_resnet", "test_vit"),
        ("test_vit", "test_efficientnet", "test_mambaout"),
        ("test_resnet", "test_vit", "test_efficientnet"),
    ],
    ids=lambda order: order[0],
)
def test_each_backbone_gets_the_pixels_it_wants(order: tuple[str, str, str]) -> None:
    own = {f"{task}_backbone": name for task, name in zip(TASKS, order, strict=True)}
    network = build(describe("separate", separate=own)).eval()
    _, normalization = networks.build(describe("separate", separate=own), SIZE)
    first = timm.models.get_pretrained_cfg(order[0])
    assert (normalization.mean, normalization.std) == (first.mean, first.std)
    means = {timm.models.get_pretrained_cfg(name).mean for name in order}
    assert len(means) == 2, "the backbones must disagree, or this shows nothing"

    outputs_BD = network(normalized(order[0], images()))
    head = network.head
    for name, part, branch, columns in zip(
        order, parts_of(network), head.branches, TASKS.values(), strict=True
    ):
        alone, _ = backbone.build(Model(backbone=name, weights="none"), SIZE)
        alone.load_state_dict(part.state_dict())
        wanted = branch(alone.eval()(normalized(name, images())))  # type: ignore[operator]
        torch.testing.assert_close(outputs_BD[:, columns], wanted, atol=2e-5, rtol=1e-4)


def test_pixels_of_the_first_backbone_pass_unchanged() -> None:
    network = build(describe("separate", separate=SAME)).eval()
    features = network.backbone(images())
    for part, features_BF in zip(parts_of(network), features, strict=True):
        assert torch.equal(part(images()), features_BF)


def test_parts_share_no_parameter() -> None:
    network = build(describe("separate", separate=SAME))
    tensors = [
        {t.untyped_storage().data_ptr() for t in part.state_dict().values()}
        for part in parts_of(network)
    ]
    assert all(tensors)
    assert len(set.union(*tensors)) == sum(len(own) for own in tensors)
    first, second, _ = (dict(part.named_parameters()) for part in parts_of(network))
    assert any(not torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("task", TASKS)
def test_a_task_teaches_its_own_network_alone(task: str) -> None:
    network = build(describe("separate")).train()
    network(images())[:, TASKS[task]].square().sum().backward()
    for own, part in zip(TASKS, parts_of(network), strict=True):
        gradients = [p.grad for p in part.parameters() if p.grad is not None]
        assert any((g != 0).any() for g in gradients) == (own == task), own


def test_the_normalisation_is_no_part_of_the_weights() -> None:
    names = build(describe("separate")).state_dict().keys()
    assert {name.split(".")[1] for name in names if name.startswith("backbone.")} == {"parts"}


def test_one_part_can_start_from_a_file(tmp_path: Path) -> None:
    torch.manual_seed(8)
    given = timm.create_model("test_vit", num_classes=7, img_size=32)
    path = tmp_path / "ages.safetensors"
    save_file(weights.clone_state(given), path)
    own = {**THREE_BACKBONES, "gender_backbone": "test_vit", "age_weights": str(path)}
    mask, gender, age = parts_of(build(describe("separate", separate=own)))
    for name, tensor in age.state_dict().items():
        assert torch.equal(tensor, given.state_dict()[name]), name
    drawn = parts_of(build(describe("separate", separate={**own, "age_weights": "model"})))
    for mine, others in ((mask, drawn[0]), (gender, drawn[1])):
        for name, tensor in mine.state_dict().items():
            assert torch.equal(tensor, others.state_dict()[name]), name


def test_what_a_part_does_not_say_is_taken_from_the_model() -> None:
    model = Model(backbone="resnet18", weights="hub", dropout=0.2, drop_path=0.1)
    settings = Settings(
        mask_backbone="mobilenetv3_small_050", gender_dropout=0.0, age_weights="a.safetensors"
    )
    assert separate.backbones(settings, model) == (
        Model(backbone="mobilenetv3_small_050", weights="hub", dropout=0.2, drop_path=0.1),
        Model(backbone="resnet18", weights="hub", dropout=0.0, drop_path=0.1),
        Model(backbone="resnet18", weights="a.safetensors", dropout=0.2, drop_path=0.1),
    )
