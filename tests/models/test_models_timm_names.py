"""Names of backbones: the same weights under timm's own name, or a refusal with the way to go on."""

import json
from pathlib import Path

import pytest
import timm

from maskcls.core.errors import UserError
from maskcls.models.timm_names import timm_name


def refusal(text: str, setting: str = "model.backbone") -> str:
    with pytest.raises(UserError) as raised:
        timm_name(text, setting)
    return str(raised.value)


@pytest.mark.parametrize(
    "text", ["resnet18", "resnet18.a1_in1k", "test_vit", "vit_base_patch32_224.sam_in1k"]
)
def test_timms_names_are_taken_as_they_are(text: str) -> None:
    found = timm_name(text)
    assert (found.name, found.note) == (text, None)


def test_a_deprecated_name_is_timms_replacement_and_reported() -> None:
    found = timm_name("tf_efficientnet_b4_ns")
    assert found.name == "tf_efficientnet_b4.ns_jft_in1k"
    assert found.note == (
        "model.backbone=tf_efficientnet_b4_ns: timm has replaced this name by"
        " tf_efficientnet_b4.ns_jft_in1k, which is used"
    )


def test_every_deprecated_name_is_exactly_what_timm_maps_it_to() -> None:
    replaced = timm.models.get_deprecated_models()
    assert len(replaced) > 100
    there = {*timm.list_models(), *timm.list_pretrained()}
    for old, current in replaced.items():
        if current in there:
            assert timm_name(old).name == timm_name(current).name == current
        else:
            assert f"{current!r} has no such pretrained tag" in refusal(old)


def test_a_deprecated_name_with_a_tag_is_refused_by_the_replacement() -> None:
    assert refusal("tf_efficientnet_b4_ns.ns_jft_in1k") == (
        "model.backbone: tf_efficientnet_b4_ns is a name that timm has replaced by"
        " tf_efficientnet_b4.ns_jft_in1k, which names its weights already; use that."
    )


@pytest.mark.parametrize(
    "text",
    [
        "hf_hub:timm/resnet18.a1_in1k", "hf-hub:timm/resnet18.a1_in1k",
        "HF-HUB:timm/resnet18.a1_in1k", "timm/resnet18.a1_in1k",
        "https://huggingface.co/timm/resnet18.a1_in1k",
        "https://huggingface.co/timm/resnet18.a1_in1k/tree/main",
    ],
)  # fmt: skip
def test_a_hub_repository_that_timm_has_is_taken(text: str) -> None:
    found = timm_name(text)
    assert found.name == "resnet18.a1_in1k"
    assert found.note == f"model.backbone={text}: these are timm's weights resnet18.a1_in1k"


def test_a_repository_of_several_networks_asks_which() -> None:
    assert refusal("hf-hub:timm/vit_base_patch32_clip_224.openai") == (
        "model.backbone=hf-hub:timm/vit_base_patch32_clip_224.openai: several of timm's networks share"
        " this repository; choose from vit_base_patch32_clip_224.openai,"
        " vit_base_patch32_clip_quickgelu_224.openai."
    )


@pytest.mark.parametrize(
    "text",
    [
        "hf-hub:SmilingWolf/wd-vit-tagger-v3", "hf_hub:timm/resnet18.a1_in1k@main", "hf-hub:",
        "SmilingWolf/wd-vit-tagger-v3", "timm/resnet18", "https://example.org/resnet18",
        "models/resnet18.safetensors", "C:\\models\\resnet18",
    ],
)  # fmt: skip
def test_any_other_repository_or_path_is_refused_with_the_way_to_go_on(text: str) -> None:
    sentence = refusal(text, "head.separate.age_backbone")
    assert sentence.startswith(f"head.separate.age_backbone={text}: timm has no such name")
    assert "did you mean" not in sentence
    assert sentence.endswith("and the file as head.separate.age_weights=PATH.")


@pytest.mark.parametrize("prefix", ["local-dir:", "local_dir:", ""])
def test_a_folder_is_answered_with_its_own_architecture(tmp_path: Path, prefix: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "resnet26"}))
    assert refusal(f"{prefix}{tmp_path}") == (
        f"model.backbone={prefix}{tmp_path}: a folder is no name of timm's; give resnet26 as"
        f" model.backbone and its safetensors file as model.weights={tmp_path}/model.safetensors."
    )


def test_a_folder_without_a_config_is_refused_too(tmp_path: Path) -> None:
    assert "give the architecture in its config.json" in refusal(f"local-dir:{tmp_path}")


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("EfficientNet-B0", "efficientnet_b0"),
        ("ResNet18", "resnet18"),
        ("resnet-18", "resnet18"),
        ("mobilenetv3_smal_050", "mobilenetv3_small_050"),
    ],
)
def test_another_spelling_is_answered_with_timms(text: str, near: str) -> None:
    assert refusal(text) == f"model.backbone: timm has no {text!r}; did you mean {near}?"
