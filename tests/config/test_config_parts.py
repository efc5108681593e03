"""Choices that are files: what is read as text is what Python sees."""

import ast
import dataclasses
import importlib
from pathlib import Path

import pytest

from maskcls.config import parts, schema
from maskcls.config.resolve import resolve, to_json
from maskcls.core.errors import UserError

CHOICES = [(setting, name) for setting in parts.FOLDERS for name in parts.choices(setting)]
WITH_SETTINGS = [(s, n) for s, n in CHOICES if parts.own_settings(s, n)]


def test_choices_are_the_files_of_the_folder() -> None:
    assert {"cross_entropy", "f1", "focal", "ldam"} <= set(parts.choices("loss.name"))
    assert {"single", "branches", "separate"} <= set(parts.choices("head.name"))
    assert {"softmax", "coral", "corn", "regression"} <= set(parts.choices("head.age"))
    assert {"flip", "half_face", "mixup"} <= set(parts.choices("augment.name"))
    for setting, folder in parts.FOLDERS.items():
        files = {path.stem for path in (Path(parts.__file__).parents[1] / folder).glob("*.py")}
        assert set(parts.choices(setting)) == files - {"__init__", "base"}


@pytest.mark.parametrize(("setting", "name"), CHOICES)
def test_every_choice_loads_and_says_what_it_is(setting: str, name: str) -> None:
    module = parts.load(setting, name)
    assert callable(module.build)
    assert (module.__doc__ or "").startswith(parts.summary(setting, name))
    assert parts.summary(setting, name).endswith(".")


@pytest.mark.parametrize(("setting", "name"), CHOICES)
def test_own_settings_are_the_fields_of_the_dataclass(setting: str, name: str) -> None:
    module, section = parts.load(setting, name), parts.section_of(setting)
    fields = {f.name: f.default for f in dataclasses.fields(module.Settings)}
    found = parts.own_settings(setting, name)
    assert [s.name for s in found] == [f"{section}.{name}.{field}" for field in fields]
    for own, default in zip(found, fields.values(), strict=True):
        assert ast.literal_eval(own.default) == default
        assert own.doc
    assert parts.own_defaults(setting, name) == fields


@pytest.mark.parametrize(("setting", "name"), CHOICES)
def test_a_chosen_ones_defaults_are_recorded_and_make_its_settings(setting: str, name: str) -> None:
    head = ["head.name=branches"] if setting == "head.age" else []
    config = resolve(sets=[*head, f"{setting}={name}"])
    section = parts.section_of(setting)
    recorded = to_json(config)[section]["settings"]
    assert recorded[name] == parts.own_defaults(setting, name)
    made = parts.settings_of(setting, name, recorded)
    assert made == parts.load(setting, name).Settings()


@pytest.mark.parametrize("section", [f.name for f in dataclasses.fields(schema.Config)])
def test_every_setting_has_a_docstring(section: str) -> None:
    made = getattr(schema.Config(), section)
    path = importlib.import_module(type(made).__module__).__file__
    assert path is not None
    found = parts.fields_of(Path(path), type(made).__name__, section)
    documented = {s.name for s in found}
    fields = {f"{section}.{f.name}" for f in dataclasses.fields(made)}
    choosing = section in {parts.section_of(setting) for setting in parts.FOLDERS}
    assert fields - documented == ({f"{section}.settings"} if choosing else set())


def test_sections_with_choices_do_not_share_a_choices_name() -> None:
    # head.coral.ranks must say by its name alone whose setting it is.
    for section in {parts.section_of(setting) for setting in parts.FOLDERS}:
        mine = [s for s in parts.FOLDERS if parts.section_of(s) == section]
        names = [name for setting in mine for name in parts.choices(setting)]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("setting", parts.FOLDERS)
def test_unknown_choice_lists_those_there_are(setting: str) -> None:
    with pytest.raises(UserError) as raised:
        parts.chosen(setting, "x")
    none = "none, " if setting in parts.NONE else ""
    joined = " (several joined by +)" if setting in parts.SUMS else ""
    names = ", ".join(parts.choices(setting))
    assert str(raised.value) == f"{setting}: there is no 'x'; choose from {none}{names}{joined}."


def test_a_sum_is_its_parts_in_their_order() -> None:
    assert parts.chosen("loss.name", "focal+f1") == ("focal", "f1")
    assert parts.chosen("loss.name", " f1 + focal ") == ("f1", "focal")
    assert parts.chosen("augment.name", "none") == ()
    assert parts.chosen("augment.name", "erasing+half_face") == ("erasing", "half_face")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("loss.name", "none"),
        ("loss.name", "f1+"),
        ("loss.name", "f1+focus"),
        ("augment.name", "none+flip"),
        ("augment.name", ""),
        ("head.name", "single+branches"),
        ("head.age", "none"),
    ],
)
def test_what_is_no_choice_is_refused(setting: str, value: str) -> None:
    with pytest.raises(UserError, match=f"^{setting}: there is no '"):
        parts.chosen(setting, value)


@pytest.mark.parametrize("name", ["base", "__init__", "os", "..config.parts", "transforms"])
@pytest.mark.parametrize("setting", parts.FOLDERS)
def test_a_choice_is_never_imported_by_free_text(setting: str, name: str) -> None:
    with pytest.raises(UserError):
        parts.load(setting, name)


def test_own_settings_are_validated() -> None:
    made = parts.settings_of("loss.name", "cross_entropy", {"cross_entropy": {"smoothing": 0.25}})
    assert made.smoothing == 0.25
    with pytest.raises(UserError, match=r"^loss\.cross_entropy\.smoothing: should be less than 1;"):
        parts.settings_of("loss.name", "cross_entropy", {"cross_entropy": {"smoothing": 1.0}})
    with pytest.raises(UserError, match=r"^loss\.cross_entropy\.gamma: "):
        parts.settings_of("loss.name", "cross_entropy", {"cross_entropy": {"gamma": 1.0}})
    with pytest.raises(UserError, match=r"^head\.coral\.ranks: should be 'groups' or 'years';"):
        parts.settings_of("head.age", "coral", {"coral": {"ranks": "months"}})
    with pytest.raises(UserError, match=r"^augment\.flip\.prob: "):
        parts.settings_of("augment.name", "flip", {"flip": {"prob": float("nan")}})


def test_settings_of_other_choices_do_not_matter() -> None:
    values = {"focal": {"gamma": "nonsense"}, "cross_entropy": {}}
    assert parts.settings_of("loss.name", "cross_entropy", values).smoothing == 0
    assert parts.settings_of("loss.name", "cross_entropy", {}).smoothing == 0


@pytest.mark.parametrize(("setting", "name"), WITH_SETTINGS)
def test_true_is_no_value_of_an_own_setting(setting: str, name: str) -> None:
    own = parts.own_settings(setting, name)[0]
    assert own.kind != "bool"
    head = ["head.name=branches"] if setting == "head.age" else []
    with pytest.raises(UserError, match="true and false are not valid here"):
        resolve(sets=[*head, f"{setting}={name}", f"{own.name}=true"])
