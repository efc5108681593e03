"""Backbones: what is refused and in which words, where weights come from, what comes out."""

from pathlib import Path
from typing import Literal
from unicodedata import normalize

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from maskcls.config.resolve import resolve
from maskcls.config.schema import Model
from maskcls.config.values import Size
from maskcls.core.errors import UserError
from maskcls.models import backbone, weights
from maskcls.models import network as networks
from maskcls.training.objective import describe
from tests.tasks import MASK

SIZE = Size(32, 32)
NAME = "test_efficientnet"


def build(name: str = NAME, weights_from: str = "none", size: Size = SIZE) -> nn.Module:
    built, _ = backbone.build(Model(backbone=name, weights=weights_from), size)
    return built


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Weights as timm gives them away: backbone and classifier."""
    torch.manual_seed(5)
    model = timm.create_model(NAME, num_classes=7)
    path = tmp_path / "weights.safetensors"
    save_file(weights.clone_state(model), path)
    return path


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "test_resnet", "test_vit", NAME])
def test_features_are_as_wide_as_said(name: str) -> None:
    built = build(name).eval()
    assert built(torch.zeros(2, 3, 32, 32)).shape == (2, backbone.num_features(built))


def test_sizes_are_height_before_width() -> None:
    built = build("vit_tiny_patch16_224", size=Size(32, 48)).eval()  # its size is fixed
    assert built(torch.zeros(1, 3, 32, 48)).shape == (1, backbone.num_features(built))
    with pytest.raises(AssertionError, match="height"):
        built(torch.zeros(1, 3, 48, 32))


@pytest.mark.parametrize("name", ["test_vit", "test_convnext", "test_nfnet", NAME])
def test_dropout_drops_that_share_of_the_features_in_training(name: str) -> None:
    torch.manual_seed(1)
    built, _ = backbone.build(Model(backbone=name, weights="none", dropout=0.25), SIZE)
    features_BF = built.train()(torch.randn(32, 3, 32, 32))
    # At least 32*64 features; 0.04 is four standard deviations of a mean of that many.
    assert (features_BF == 0).float().mean().item() == pytest.approx(0.25, abs=0.04)
    assert not (built.eval()(torch.randn(2, 3, 32, 32)) == 0).any()


def test_a_backbone_without_stochastic_depth_says_so() -> None:
    with pytest.raises(UserError) as raised:
        backbone.build(Model(backbone="vgg11", weights="none", drop_path=0.1), SIZE)
    assert str(raised.value) == "model.drop_path: vgg11 has none; leave it at 0."


def test_normalization_is_the_backbones() -> None:
    _, found = backbone.build(Model(backbone="test_efficientnet.r160_in1k", weights="none"), SIZE)
    config = timm.models.get_pretrained_cfg("test_efficientnet.r160_in1k")
    assert (found.mean, found.std) == (config.mean, config.std)


def test_unknown_backbone_comes_with_the_nearest_name() -> None:
    with pytest.raises(UserError) as raised:
        build("mobilenetv3_smal_050")
    assert str(raised.value) == (
        "model.backbone: timm has no 'mobilenetv3_smal_050'; did you mean mobilenetv3_small_050?"
    )


def test_unknown_tag_comes_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"no such pretrained tag; there are: test_efficientnet\."):
        build("test_efficientnet.nowhere")


def test_same_seed_gives_the_same_backbone() -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(build().state_dict())
    assert all(torch.equal(a, b) for a, b in zip(*(s.values() for s in states), strict=True))


def test_weights_come_back_as_they_went(file: Path) -> None:
    torch.manual_seed(6)
    built = build(weights_from=str(file))
    torch.manual_seed(5)
    expected = timm.create_model(NAME, num_classes=7).state_dict()
    for name, tensor in built.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize(("typed", "there"), [("NFC", "NFD"), ("NFD", "NFC")])
@pytest.mark.parametrize("setting", ["model.weights", "head.separate.age_weights"])
def test_a_files_name_may_be_typed_composed_or_decomposed(
    file: Path, tmp_path: Path, typed: Literal["NFC", "NFD"], there: Literal["NFC", "NFD"],
    setting: str,
) -> None:  # fmt: skip
    name = "얼굴-é/나이.safetensors"
    on_disk = tmp_path / normalize(there, name)
    on_disk.parent.mkdir()
    file.rename(on_disk)
    asked = tmp_path / normalize(typed, name)
    sets = [f"model.backbone={NAME}", "head.name=separate", f"{setting}={asked}"]
    assert weights.check_path(str(asked)) == on_disk
    network, _ = networks.build(describe(resolve("smoke", sets=sets), MASK), SIZE)
    found = network.backbone.parts[2].state_dict()  # type: ignore[index]
    assert torch.equal(found["conv_stem.weight"], load_file(on_disk)["conv_stem.weight"])


def test_weights_of_another_network_are_refused(file: Path) -> None:
    with pytest.raises(UserError, match=r"does not fit this backbone \(\d+ tensors missing, \d+ "):
        build("test_resnet", str(file))


def test_weights_of_another_shape_are_refused(file: Path, tmp_path: Path) -> None:
    tensors = load_file(file)
    tensors["conv_stem.weight"] = torch.zeros(1)
    save_file(tensors, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=r"1 of another shape, such as conv_stem\.weight"):
        build(weights_from=str(tmp_path / "other.safetensors"))


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_damaged_weights_are_refused(file: Path, keep: int) -> None:
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(UserError, match="not a valid safetensors file"):
        build(weights_from=str(file))


@pytest.mark.parametrize("name", ["a.pth", "a.pt", "a.bin", "a.pkl", "a"])
def test_pickles_are_refused_unread(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.mkdir()  # reading it would be another error
    with pytest.raises(UserError, match=r"only safetensors files are read \(a pickle can run code"):
        build(weights_from=str(path))


def test_a_pickle_by_another_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="not a valid safetensors file"):
        build(weights_from=str(path))


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such file"):
        build(weights_from=str(tmp_path / "none.safetensors"))


def test_an_unreachable_hub_names_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*arguments: object, **options: object) -> None:
        raise OSError("We couldn't connect to 'https://huggingface.co'\nand more")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(UserError) as raised:
        build(weights_from="hub")
    assert str(raised.value) == (
        "model.weights=hub: pretrained weights of test_efficientnet cannot be loaded from the hub"
        " (OSError: We couldn't connect to 'https://huggingface.co'); give a safetensors file as"
        " model.weights=PATH, or model.weights=none."
    )


def test_a_backbone_without_weights_on_the_hub_says_so() -> None:
    with pytest.raises(UserError, match=r"model\.weights=hub: convnext_atto_rms has none"):
        build("convnext_atto_rms", "hub")


def test_weights_are_not_fetched_where_a_checkpoint_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bool] = []
    real = timm.create_model

    def create(name: str, pretrained: bool, **options: object) -> object:
        asked.append(pretrained)
        return real(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", create)
    for pretrained in (False, True):
        backbone.build(Model(backbone=NAME, weights="hub"), SIZE, pretrained)
    assert asked == [False, True]


@pytest.mark.parametrize(
    ("name", "setting", "wanted"),
    [
        ("efficientnet_b0", "auto", True),
        ("resnet18", "auto", True),
        ("vit_tiny_patch16_224", "auto", False),
        ("eca_nfnet_l0", "auto", False),
        ("efficientnet_b0", "off", False),
        ("vit_tiny_patch16_224", "on", True),
    ],
)
def test_memory_format(name: str, setting: str, wanted: bool) -> None:
    settings = Model(backbone=name, channels_last=setting)  # type: ignore[arg-type]
    assert backbone.wants_channels_last(settings) is wanted


def test_clone_shares_nothing_with_the_model() -> None:
    model = build().to(memory_format=torch.channels_last)
    state = weights.clone_state(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert state["conv_stem.weight"].abs().sum() > 0
    assert all(tensor.is_contiguous() for tensor in state.values())


def test_sha256_is_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert weights.sha256_of(tmp_path / "a").startswith("ba7816bf8f01cfea")
