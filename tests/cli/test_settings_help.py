"""The help shows every setting there is, with the value that is in force."""

import dataclasses
import re
import subprocess
import sys
from typing import Any

import pytest

from maskcls.cli.settings_help import settings_text, shown
from maskcls.config import parts
from maskcls.config.layers import gather, preset_head, preset_names
from maskcls.config.schema import Config
from maskcls.core.errors import UserError

_NAME = re.compile(r"^ +(\w+(?:\.\w+)+) = (.*)$")


def _defaults() -> dict[str, Any]:
    """Every flat setting of the dataclasses, but the table of a loss's own settings."""
    flat = {
        f"{section.name}.{field.name}": getattr(getattr(Config(), section.name), field.name)
        for section in dataclasses.fields(Config)
        for field in dataclasses.fields(getattr(Config(), section.name))
    }
    del flat["loss.settings"]
    return flat


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
    own = {s.name for n in parts.choices("loss.name") for s in parts.own_settings("loss.name", n)}
    assert set(found) == set(_defaults()) | own
    for name, default in _defaults().items():
        value, doc = found[name]
        assert value == shown(flat[name].value if name in flat else default), name
        assert doc, name


def test_numbers_are_shown_as_one_would_type_them() -> None:
    assert _read_back(settings_text(None))["optim.lr"][0] == "0.001"
    values = (600.0, 0.794, 1.2345678, True, "auto", {"fake_gpu": 1.0})
    wanted = ["600", "0.794", "1.2345678", "true", "auto", "{fake_gpu = 1}"]
    assert [shown(value) for value in values] == wanted


def test_choices_and_bounds_are_named() -> None:
    text = " ".join(settings_text(None).split())
    assert "Takes auto, float32 or bfloat16." in text
    assert "Takes a whole number of at least 0 or auto." in text
    assert "Takes a number above 0 and at most 1." in text


def test_sections_choices_and_presets_have_their_lines() -> None:
    text = " ".join(settings_text(None).split())
    for section in dataclasses.fields(Config):
        doc = type(getattr(Config(), section.name)).__doc__ or ""
        assert f"{section.name}: {' '.join(doc.split())}" in text
    for setting in parts.FOLDERS:
        for name in parts.choices(setting):
            assert f"{name}: {parts.summary(setting, name)}" in text
    for name in preset_names():
        assert f"{name}: {preset_head(name)}" in text


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
