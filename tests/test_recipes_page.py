"""The recipe page names every technique, what it says to type is understood, and its loss works."""

import dataclasses
import importlib.util
import re
import shlex
import shutil
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch.nn import functional

import maskcls.losses
from maskcls.cli.main import _parser
from maskcls.cli.settings_help import settings_text
from maskcls.cli.verbs import VERBS
from maskcls.config import parts
from maskcls.config.layers import preset_names
from maskcls.config.resolve import flat_json, resolve, to_json
from maskcls.config.schema import Config
from maskcls.losses.base import Loss, LossContext
from maskcls.training.objective import build_losses
from tests.tasks import MASK

TOP = Path(__file__).parents[1]
PAGE = (TOP / "docs" / "recipes.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGE, re.S)
PROSE = re.sub(r"```.*?```", "", PAGE, flags=re.S)
SPANS = sorted(set(re.findall(r"`([^`]+)`", PROSE)))
TYPED = [text for text in SPANS if "--set " in text]
COMMANDS = [text for text in SPANS if text.startswith("maskcls ")]

SECTIONS = ("head", "rows", "augment", "optim", "loss", "tta")
FOLDS = ("folds.scheme", "folds.share", "folds.repeats")


def sets_of(text: str) -> list[str]:
    """NAME=VALUE texts of a span that is typed behind `maskcls train DATA --run RUN`."""
    words = ["train", "DATA", "--run", "RUN", *shlex.split(text)]
    sets: list[str] = _parser([]).parse_args(words).sets
    return sets


def resolved(text: str) -> dict[str, typing.Any]:
    """The whole configuration that a span asks for, by flat names."""
    return flat_json(to_json(resolve(None, None, sets_of(text))))


def names(setting: str, value: str) -> tuple[str, ...]:
    return parts.chosen(setting, value) or ("none",)


def fields() -> dict[str, typing.Any]:
    """Flat name -> type of every setting that the page must have."""
    config, found = Config(), {}
    for section in dataclasses.fields(config):
        for field in dataclasses.fields(getattr(config, section.name)):
            name = f"{section.name}.{field.name}"
            if field.name != "settings" and (section.name in SECTIONS or name in FOLDS):
                found[name] = field.type
    return found


def test_no_setting_is_written_where_the_tests_do_not_look() -> None:
    assert sum(PROSE.count(f"`{text}`") * text.count("--set ") for text in TYPED) == PAGE.count(
        "--set "
    )
    assert not any("\n" in text for text in TYPED)
    assert len(TYPED) > 60


@pytest.mark.parametrize("text", TYPED)
def test_what_one_types_is_a_configuration(text: str) -> None:
    found = resolved(text)
    for one in sets_of(text):
        assert one.partition("=")[0] in found


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_is_understood(command: str) -> None:
    words = shlex.split(command)[1:]
    if len(words) == 1:  # named, not typed
        assert words[0] in {verb.name for verb in VERBS}
    elif "--help" in words:
        with pytest.raises(SystemExit) as stop:
            _parser(words).parse_args(words)
        assert stop.value.code == 0
    else:
        args = _parser([]).parse_args(words)
        if args.verb in ("train", "lr-find"):
            resolve(args.preset, None, args.sets)


def test_every_setting_is_typed_somewhere() -> None:
    typed = {one.partition("=")[0] for text in TYPED for one in sets_of(text)}
    assert set(fields()) - typed == set()


def test_every_value_to_choose_from_is_typed_somewhere() -> None:
    found = [resolved(text) for text in TYPED]
    for name, kind in fields().items():
        if typing.get_origin(kind) is typing.Literal:
            assert {values[name] for values in found} == set(typing.get_args(kind)), name


@pytest.mark.parametrize("setting", parts.FOLDERS)
def test_every_file_that_can_be_chosen_is_typed_somewhere(setting: str) -> None:
    typed = set()
    for text in TYPED:
        for one in sets_of(text):
            if one.partition("=")[0] == setting:
                typed |= set(names(setting, one.partition("=")[2]))
    nothing = {"none"} if setting in parts.NONE else set()
    assert typed == {*parts.choices(setting), *nothing}


def test_every_preset_has_a_row() -> None:
    assert sorted(re.findall(r"^\| `(\w+)` \|", PAGE, re.M)) == sorted(preset_names())


def test_every_technique_has_three_lines() -> None:
    """What it does, what one types, what is known; in this order."""
    techniques = [p for p in PROSE.split("\n\n") if p.startswith("**")]
    assert len(techniques) > 60
    for paragraph in techniques:
        lines = paragraph.split("\\\n")
        assert len(lines) == 3, lines[0]
        assert re.fullmatch(r"`(--set|maskcls) [^`]+`", lines[1]), lines[0]
        assert lines[2].startswith("Known: "), lines[0]


@pytest.fixture
def poly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page's loss in a package of its own: ours, and that one file more."""
    package = Path(maskcls.losses.__file__ or "").parents[1]
    shutil.copytree(package / "losses", tmp_path / "losses")
    for folder in ("models", "augment"):
        (tmp_path / folder).symlink_to(package / folder)
    (source,) = [code for language, code in BLOCKS if language == "python"]
    file = tmp_path / "losses" / "poly.py"
    file.write_text(source, encoding="utf-8")
    monkeypatch.setattr(parts, "_package", lambda: tmp_path)
    # Behind our own, so that no other module is loaded from here.
    more = [*maskcls.losses.__path__, str(tmp_path / "losses")]
    monkeypatch.setattr(maskcls.losses, "__path__", more)
    yield file
    sys.modules.pop("maskcls.losses.poly", None)
    vars(maskcls.losses).pop("poly", None)
    parts.own_settings.cache_clear()


def load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("page_loss", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def some_rows(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random logits and mixed targets, [B, K]."""
    generator = torch.Generator().manual_seed(seed)
    logits_BK = 3 * torch.randn(9, 18, generator=generator)
    return logits_BK, torch.rand(9, 18, generator=generator).softmax(dim=1)


@pytest.mark.parametrize("epsilon", [0.0, 1.0, 2.5])
def test_the_loss_of_the_page_is_its_formula(poly: Path, epsilon: float) -> None:
    module, (logits_BK, target_BK) = load(poly), some_rows(0)
    loss: Loss = module.build(module.Settings(epsilon=epsilon), LossContext((1,) * 18))
    p_BK = logits_BK.double().softmax(dim=1)
    formula_B = (target_BK.double() * (epsilon * (1 - p_BK) - p_BK.log())).sum(dim=1)
    found_B = loss(logits_BK, target_BK)
    torch.testing.assert_close(found_B.double(), formula_B, rtol=1e-5, atol=1e-5)
    if epsilon == 0:
        cross_entropy_B = functional.cross_entropy(logits_BK, target_BK, reduction="none")
        torch.testing.assert_close(found_B, cross_entropy_B)


def test_one_file_is_all_that_the_loss_of_the_page_takes(poly: Path) -> None:
    shown = settings_text(None)
    assert "poly: Poly-1" in shown
    assert "loss.poly.epsilon = 1" in shown
    config = resolve(None, None, ["loss.name=cross_entropy+poly", "loss.poly.epsilon=2"])
    logits_BK, target_BK = some_rows(1)
    found_B = build_losses(config, MASK, [1] * 18, epoch=0).whole(logits_BK, target_BK)
    p_BK = logits_BK.softmax(dim=1)
    formula_B = (target_BK * (2 * (1 - p_BK) - 2 * p_BK.log())).sum(dim=1)
    torch.testing.assert_close(found_B, formula_B, rtol=1e-5, atol=1e-5)
