"""A network is built from its description alone, and the head disturbs no initial value."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from network_factory import (
    COMBINATIONS,
    SIZE,
    TINY,
    AgeKind,
    build,
    describe,
    parts_of,
    pixels,
)
from safetensors.torch import save_file

from maskcls.config.schema import Head, Model, Rows
from maskcls.core.errors import UserError
from maskcls.models import network as networks
from maskcls.models import weights
from maskcls.models.network import Description
from maskcls.sampling.training_rows import training_task
from tests.tasks import MASK


def through_json(described: Description) -> Description:
    return Description.from_json(json.loads(json.dumps(described.to_json())))


@pytest.mark.parametrize(("head", "kind"), COMBINATIONS, ids=str)
def test_a_description_goes_through_json_and_builds_the_same_network(
    head: str, kind: AgeKind
) -> None:
    described = describe(head, kind, border=58, merge="hard")
    read = through_json(described)
    assert read == described
    network, again = build(described, seed=1).eval(), build(read, seed=2).eval()
    mine, other = network.state_dict(), again.state_dict()
    assert {n: (t.shape, t.dtype) for n, t in mine.items()} == {
        n: (t.shape, t.dtype) for n, t in other.items()
    }
    # What is not in the state must be in the description: borders, ranks, merging, normalisation.
    again.load_state_dict(mine)
    with torch.inference_mode():
        logits_BK, other_BK = (n.head.logits(n(pixels(3))) for n in (network, again))
    assert torch.equal(logits_BK, other_BK)


def test_a_description_keeps_every_setting_of_the_network() -> None:
    described = Description(
        Model(backbone="resnet18", weights="none", dropout=0.1, drop_path=0.2, channels_last="on"),
        Head(
            name="separate",
            age="coral",
            merge="hard",
            mask_weight=0.5,
            gender_weight=0.25,
            age_weight=2.0,
            settings={"coral": {"ranks": "years"}, "separate": {"age_backbone": "test_vit"}},
        ),
        training_task(MASK, Rows(age_border=57)),
        12.5,
    )
    assert through_json(described) == described


def test_a_description_does_not_say_where_the_weights_came_from(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    own = {"mask_weights": "hub", "age_weights": str(path), "age_backbone": "test_vit"}
    described = describe("separate", separate=own)
    described = replace(described, model=replace(described.model, weights=str(path)))
    text = json.dumps(described.to_json())
    assert path.name not in text
    assert "hub" not in text
    # Built from it, nothing is looked for: neither the file, which is not there, nor the hub.
    network, _ = networks.build(Description.from_json(json.loads(text)), SIZE)
    assert len(parts_of(network)) == 3


@pytest.mark.parametrize(("head", "kind"), COMBINATIONS, ids=str)
def test_the_head_does_not_disturb_the_backbones_initial_values(head: str, kind: AgeKind) -> None:
    alone = build(describe(), seed=4).backbone.state_dict()
    network = build(describe(head, kind), seed=4)
    body = parts_of(network)[0] if head == "separate" else network.backbone
    found = body.state_dict()
    assert found.keys() == alone.keys()
    for name, tensor in found.items():
        assert torch.equal(tensor, alone[name]), name


def test_another_seed_draws_other_initial_values() -> None:
    first, second = (build(describe(), seed).state_dict() for seed in (4, 5))
    assert not torch.equal(first["backbone.conv_stem.weight"], second["backbone.conv_stem.weight"])
    assert not torch.equal(first["head.linear.weight"], second["head.linear.weight"])


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        ("single", ["backbone 0", "head"]),
        ("branches", ["backbone 0", "head", "head.mask", "head.gender", "head.age"]),
        (
            "separate",
            [f"backbone {i}" for i in range(3)] + ["head", "head.mask", "head.gender", "head.age"],
        ),
    ],
)
def test_each_part_is_told_before_it_is_drawn(head: str, wanted: list[str]) -> None:
    begun: list[str] = []
    networks.build(describe(head), SIZE, begin_part=begun.append)
    assert begun == wanted


def test_the_normalization_is_the_backbones() -> None:
    _, normalization = networks.build(describe(backbone="test_vit"), SIZE)
    config = timm.models.get_pretrained_cfg("test_vit")
    assert (normalization.mean, normalization.std) == (config.mean, config.std)


def test_weights_of_a_file_are_not_read_where_a_checkpoint_follows(tmp_path: Path) -> None:
    torch.manual_seed(6)
    path = tmp_path / "weights.safetensors"
    given = weights.clone_state(timm.create_model(TINY))
    save_file(given, path)
    described = describe()
    described = replace(described, model=replace(described.model, weights=str(path)))
    network, _ = networks.build(described, SIZE)
    assert torch.equal(network.backbone.state_dict()["conv_stem.weight"], given["conv_stem.weight"])
    path.unlink()
    networks.build(described, SIZE, pretrained=False)
    with pytest.raises(UserError, match="there is no such file"):
        networks.build(described, SIZE)


@pytest.mark.parametrize(
    ("backbones", "wanted"),
    [
        (("test_efficientnet", "resnet18", "convnext_tiny"), True),
        (("test_efficientnet", "resnet18", "vit_tiny_patch16_224"), False),
        (("eca_nfnet_l0", "resnet18", "resnet18"), False),
    ],
)
def test_several_backbones_train_in_channels_last_if_all_want_to(
    backbones: tuple[str, str, str], wanted: bool
) -> None:
    own = dict(zip(("mask_backbone", "gender_backbone", "age_backbone"), backbones, strict=True))
    described = describe("separate", separate=own)
    assert networks.wants_channels_last(described) is wanted
    assert [model.backbone for model in networks.models_of(described)] == list(backbones)
    forced = replace(described, model=replace(described.model, channels_last="on"))
    assert networks.wants_channels_last(forced)


def test_an_unknown_head_or_age_branch_is_refused_with_the_choices() -> None:
    for setting, head in (("head.name", Head(name="double")), ("head.age", Head(age="ordinal"))):
        described = replace(describe(), head=head)
        with pytest.raises(UserError, match=rf"{setting}: there is no '\w+'; choose from \w+, "):
            networks.build(described, SIZE)
