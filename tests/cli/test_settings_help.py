"""The help shows every setting there is, with the value that is in force."""

import ast
import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from maskcls.cli.main import main
from maskcls.cli.settings_help import settings_text, shown
from maskcls.config import parts, schema
from maskcls.config.layers import gather, preset_head, preset_names
from maskcls.config.schema import Config
from maskcls.core.errors import UserError

_NAME = re.compile(r"^ +(\w+(?:\.\w+)+) = (.*)$")


def _defaults() -> dict[str, Any]:
    """Every flat setting of the dataclasses, but the tables of the choices' own settings."""
    return {
        f"{section.name}.{field.name}": getattr(getattr(Config(), section.name), field.name)
        for section in dataclasses.fields(Config)
        for field in dataclasses.fields(getattr(Config(), section.name))
        if field.name != "settings"
    }


def _own() -> dict[str, parts.SettingText]:
    """Every setting that a choice brings along."""
    return {
        own.name: own
        for setting in parts.FOLDERS
        for name in parts.choices(setting)
        for own in parts.own_settings(setting, name)
    }


def _read_back(text: str) -> dict[str, tuple[str, str]]:
    """Setting -> (value, docstring) as the help shows them."""
    found: dict[str, tuple[str, str]] = {}
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if match := _NAME.match(line):
            doc = lines[at + 1] if at + 1 < len(lines) else ""
            assert doc.startswith(" " * 6)
            found[match[1]] = (match[2], doc.strip())
    return found


@pytest.mark.parametrize("preset", [None, *preset_names()])
def test_every_setting_is_there_with_docstring_and_value(preset: str | None) -> None:
    found, flat = _read_back(settings_text(preset)), gather(preset)
    own = {name: ast.literal_eval(setting.default) for name, setting in _own().items()}
    assert set(found) == set(_defaults()) | set(own)
    for name, default in (_defaults() | own).items():
        value, doc = found[name]
        assert value == shown(flat[name].value if name in flat else default), name
        assert doc, name


def test_docstrings_are_shown_in_full() -> None:
    text = " ".join(settings_text(None).split())
    for section in dataclasses.fields(Config):
        kind = type(getattr(Config(), section.name)).__name__
        for setting in parts.fields_of(Path(schema.__file__), kind, section.name):
            if not setting.name.endswith(".settings"):
                assert setting.doc in text
    for own in _own().values():
        assert own.doc in text


def test_a_presets_values_of_a_choices_own_settings_are_shown() -> None:
    found = _read_back(settings_text("b3_half_face"))
    assert found["augment.half_face.cut_min"][0] == "0.5"
    assert found["augment.half_face.partner"][0] == "old"
    assert _read_back(settings_text(None))["augment.half_face.partner"][0] == "all"


def test_numbers_are_shown_as_one_would_type_them() -> None:
    assert _read_back(settings_text(None))["optim.lr"][0] == "0.001"
    values = (600.0, 0.794, 1.2345678, True, "auto", {"fake_gpu": 1.0}, (10, 15), [0.4, 0.6], ())
    wanted = [
        "600", "0.794", "1.2345678", "true", "auto", "{fake_gpu = 1}", "[10, 15]", "[0.4, 0.6]", "[]",
    ]  # fmt: skip
    assert [shown(value) for value in values] == wanted


def test_choices_and_bounds_are_named() -> None:
    text = " ".join(settings_text(None).split())
    assert "Takes auto, float32, bfloat16 or float16." in text
    assert "Takes a whole number of at least 0 or auto." in text
    assert "Takes a number above 0 and at most 1." in text
    assert "Takes a list, each a whole number of at least 1." in text
    assert "Takes all, old or same_class." in text


def test_sections_choices_and_presets_have_their_lines() -> None:
    text = " ".join(settings_text(None).split())
    for section in dataclasses.fields(Config):
        doc = type(getattr(Config(), section.name)).__doc__ or ""
        assert f"{section.name}: {' '.join(doc.split())}" in text
    for setting in parts.FOLDERS:
        assert f"choices for {setting}:" in text
        for name in parts.choices(setting):
            assert f"{name}: {parts.summary(setting, name)}" in text
    for name in preset_names():
        assert f"{name}: {preset_head(name)}" in text


def test_what_can_be_joined_and_what_can_be_none_is_said() -> None:
    lines = settings_text(None).splitlines()
    for setting in parts.FOLDERS:
        (head,) = (line for line in lines if line.startswith(f"choices for {setting}:"))
        assert head.endswith("one, or several joined by +") == (setting in parts.SUMS)
        first = lines[lines.index(head) + 1]
        assert first.startswith("  none: ") == (setting in parts.NONE)


def test_the_whole_help_of_train_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["train", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for word in (
        "focal", "ldam", "coral", "corn", "half", "sampler", "holdout", "ema", "optim.lr",
        "image.size", "folds.count",
    ):  # fmt: skip
        assert re.search(rf"\b{re.escape(word)}\b", text), word


def test_a_loss_setting_of_its_own_is_shown_with_its_default() -> None:
    smoothing = _read_back(settings_text(None))["loss.cross_entropy.smoothing"]
    assert smoothing[0] == "0"
    assert "smoothing" in smoothing[1]


def test_lines_are_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(len(line) for line in settings_text(None).splitlines()) <= 100
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    assert max(len(line) for line in settings_text(None).splitlines()) <= 60


def test_an_unknown_preset_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="no such preset"):
        settings_text("reprot")


def test_help_imports_nothing_heavy() -> None:
    heavy = "torch ray pandas timm sklearn pydantic numpy"
    program = (
        "import sys; from maskcls.cli.settings_help import settings_text; settings_text(None);"
        f"print([m for m in {heavy.split()!r} if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"
