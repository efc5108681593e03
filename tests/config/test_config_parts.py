"""Choices that are files: what is read as text is what Python sees."""

import ast
import dataclasses
import importlib

import pytest

from maskcls.config import parts, schema
from maskcls.core.errors import UserError

CHOICES = [(setting, name) for setting in parts.FOLDERS for name in parts.choices(setting)]


def test_choices_are_the_files_of_the_folder() -> None:
    assert "cross_entropy" in parts.choices("loss.name")
    assert "base" not in parts.choices("loss.name")
    assert "single" in parts.choices("model.head")


@pytest.mark.parametrize(("setting", "name"), CHOICES)
def test_every_choice_loads_and_says_what_it_is(setting: str, name: str) -> None:
    module = parts.load(setting, name)
    assert callable(module.build)
    assert (module.__doc__ or "").startswith(parts.summary(setting, name))
    assert parts.summary(setting, name).endswith(".")


@pytest.mark.parametrize("name", parts.choices("loss.name"))
def test_own_settings_are_the_fields_of_the_dataclass(name: str) -> None:
    module = parts.load("loss.name", name)
    fields = {f.name: f.default for f in dataclasses.fields(module.Settings)}
    found = parts.own_settings("loss.name", name)
    assert [s.name for s in found] == [f"loss.{name}.{field}" for field in fields]
    for setting, default in zip(found, fields.values(), strict=True):
        assert ast.literal_eval(setting.default) == default
        assert setting.doc


@pytest.mark.parametrize("section", [f.name for f in dataclasses.fields(schema.Config)])
def test_every_setting_has_a_docstring(section: str) -> None:
    made = getattr(schema.Config(), section)
    path = importlib.import_module(type(made).__module__).__file__
    assert path is not None
    from pathlib import Path

    found = parts.fields_of(Path(path), type(made).__name__, section)
    documented = {s.name for s in found}
    fields = {f"{section}.{f.name}" for f in dataclasses.fields(made)}
    assert fields - documented == ({"loss.settings"} if section == "loss" else set())


def test_heads_have_no_own_settings_yet() -> None:
    assert parts.own_settings("model.head", "single") == ()


def test_unknown_choice_lists_those_there_are() -> None:
    with pytest.raises(UserError, match=r"model\.head: there is no 'x'; choose from single\."):
        parts.load("model.head", "x")


def test_a_choice_is_never_imported_by_free_text() -> None:
    with pytest.raises(UserError):
        parts.load("loss.name", "base")


def test_own_settings_are_validated() -> None:
    module = parts.load("loss.name", "cross_entropy")
    made = parts.settings_of(module, {"smoothing": 0.25}, "loss.cross_entropy")
    assert made.smoothing == 0.25
    with pytest.raises(UserError, match=r"^loss\.cross_entropy\.smoothing: should be less than 1;"):
        parts.settings_of(module, {"smoothing": 1.0}, "loss.cross_entropy")
    with pytest.raises(UserError, match=r"^loss\.cross_entropy\.gamma: "):
        parts.settings_of(module, {"gamma": 1.0}, "loss.cross_entropy")
