"""Settings: which layer wins, what is refused and in which words, and the way to JSON and back."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskcls.config import layers, parts
from maskcls.config.layers import TomlFile
from maskcls.config.resolve import differences, flat_json, from_json, resolve, to_json
from maskcls.config.schema import PLACEMENT_ONLY, Config
from maskcls.config.values import DEFAULT_MARGIN, Crop, Size
from maskcls.core.errors import UserError


def refusal(*sets: str, file: TomlFile | None = None) -> list[str]:
    """The lines of the UserError that these settings raise."""
    with pytest.raises(UserError) as raised:
        resolve(file=file, sets=sets)
    return str(raised.value).splitlines()


OWN = TomlFile(
    "own.toml",
    b"[optim]\nlr = 0.5\ngamma = 0.5\n[cluster.resources_per_worker]\nspark = 2\n",
)


def test_set_wins_over_file_and_file_over_preset() -> None:
    config = resolve("smoke", OWN, ["optim.gamma=0.25", "optim.gamma=.125"])
    assert config.model.backbone == "mobilenetv3_small_050"  # the preset's
    assert (config.optim.lr, config.optim.gamma) == (0.5, 0.125)
    assert config.cluster.resources_per_worker == {"spark": 2.0}
    assert config.folds.count == 5  # the default


@pytest.mark.parametrize("name", layers.preset_names())
def test_every_preset_resolves_and_says_what_it_is(name: str) -> None:
    assert isinstance(resolve(name), Config)
    assert len(layers.preset_head(name)) > 20


def test_the_default_preset_is_the_reports_recipe() -> None:
    config = resolve()
    assert (config.model.backbone, config.optim.name) == ("efficientnet_b0", "adam")
    assert config.image.crop == Crop(Size(384, 384))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (".794", 0.794),
        ("1e-3", 1e-3),
        ("1E-4", 1e-4),
        ("0.5", 0.5),
        ("3", 3),
        ("true", True),
        ("efficientnet_b0.ra_in1k", "efficientnet_b0.ra_in1k"),
        ("center:384x288", "center:384x288"),
        ("/data/a b.safetensors", "/data/a b.safetensors"),
        ('"quoted"', "quoted"),
        ("{spark = 1}", {"spark": 1}),
        ("[.4, .6]", [0.4, 0.6]),
        ("[0.4,.6]", [0.4, 0.6]),
        ("tf_efficientnet_b4.ns_jft_in1k", "tf_efficientnet_b4.ns_jft_in1k"),
        ("runs/.hidden/1.5", "runs/.hidden/1.5"),
        ("face:.3", "face:.3"),
        ("27-29,57-59", "27-29,57-59"),
        ("60+:8,<30:2", "60+:8,<30:2"),
        ("", ""),
    ],
)
def test_values_need_no_quotes(text: str, value: Any) -> None:
    assert layers.parse_value(text) == value


TEXTS = [
    f"{section.name}.{field.name}"
    for section in dataclasses.fields(Config)
    for field in dataclasses.fields(section.default_factory)  # type: ignore[arg-type]
    if field.type is str
]
_CHOOSING = {*parts.FOLDERS, "optim.sam_base"}


@pytest.mark.parametrize(
    "text",
    ["2021", "007", "1e3", "0x10", "1_000", ".5", "-1", "2021-01-01", "12:30:00", "inf", "[3]"],
)
@pytest.mark.parametrize("name", [name for name in TEXTS if name not in _CHOOSING])
def test_a_text_setting_takes_what_was_typed(name: str, text: str) -> None:
    assert flat_json(to_json(resolve(sets=[f"{name}={text}"])))[name] == text


def test_a_choices_own_text_settings_take_what_was_typed() -> None:
    config = resolve(sets=["head.name=separate", "head.separate.age_weights=2021"])
    assert config.head.settings["separate"]["age_weights"] == "2021"


def test_the_text_settings_are_known() -> None:
    assert {"model.weights", "rows.extra", "rows.corrections", "rows.pseudo_labels"} < set(TEXTS)
    assert {"cluster.cache_dir", "model.backbone", "optim.name"} < set(TEXTS)


def test_a_choice_that_is_a_number_is_no_choice() -> None:
    assert refusal("head.name=3")[0].startswith("head.name (from --set): there is no '3'")


def test_a_number_in_a_file_is_text_where_its_digits_are_and_else_wants_quotes() -> None:
    assert resolve(file=TomlFile("a.toml", b"[rows]\nextra = 2021\n")).rows.extra == "2021"
    assert refusal(file=TomlFile("a.toml", b"[rows]\nextra = 20.10\n")) == [
        "rows.extra (from a.toml): should be text, in quotes; it is 20.1."
    ]
    (line,) = refusal(file=TomlFile("a.toml", b"[rows]\nextra = 2021-01-01\n"))
    assert line.startswith("rows.extra (from a.toml): should be text, in quotes; it is ")


def test_unknown_names_come_with_the_nearest_one() -> None:
    assert refusal("optim.lrr=1") == [
        "optim.lrr (from --set): no such setting; did you mean optim.lr?"
    ]
    assert refusal("xyzzy=1") == ["xyzzy (from --set): no such setting; see maskcls train --help."]


def test_all_faults_are_reported_at_once() -> None:
    file = TomlFile("a.toml", b"[optim]\nlr = -1\n[image]\nsize = 'big'\n")
    losses = ", ".join(parts.choices("loss.name"))
    lines = refusal("train.epoch=3", "train.epochs=0", "loss.name=focus", file=file)
    assert sorted(lines) == [
        "image.size (from a.toml): expected HEIGHTxWIDTH in pixels, such as 384x288; it is 'big'.",
        f"loss.name (from --set): there is no 'focus'; choose from {losses} (several joined by +).",
        "optim.lr (from a.toml): should be greater than 0; it is -1.",
        "train.epoch (from --set): no such setting; did you mean train.epochs?",
        "train.epochs (from --set): should be greater than or equal to 1; it is 0.",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "optim.lr",
        "train.epochs",
        "cluster.gpus",
        "model.backbone",
        "head.name",
        "augment.name",
        "rows.drop_ages",
        "image.crop",
        "loss.name",
        "loss.cross_entropy.smoothing",
        "train.checkpoint_s",
    ],
)
def test_true_is_no_number_and_no_name(name: str) -> None:
    assert refusal(f"{name}=true") == [f"{name} (from --set): true and false are not valid here."]


def test_true_inside_a_table_is_no_number() -> None:
    assert "true and false" in refusal("cluster.resources_per_worker={spark=true}")[0]


def test_true_is_one_for_switches() -> None:
    assert resolve(sets=["cluster.dashboard=false"]).cluster.dashboard is False


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_only_finite_numbers_are_taken(value: str) -> None:
    assert "finite number" in refusal(f"optim.weight_decay={value}")[0]


def test_a_choice_of_two_kinds_gives_one_sentence() -> None:
    (line,) = refusal("cluster.gpus=-1")
    assert line == (
        "cluster.gpus (from --set): should be greater than or equal to 0, or should be 'auto';"
        " it is -1."
    )


@pytest.mark.parametrize(
    ("sets", "sentence"),
    [
        (
            ("loss.name=focal", "loss.cross_entropy.smoothing=.1"),
            "loss.cross_entropy.smoothing (from --set): loss.name is focal, not cross_entropy.",
        ),
        (
            ("loss.name=f1+focal", "loss.ldam.scale=20"),
            "loss.ldam.scale (from --set): loss.name is f1+focal, not ldam.",
        ),
        (
            ("augment.flip.prob=.1",),
            "augment.flip.prob (from --set): augment.name is none, not flip.",
        ),
        (
            ("head.name=branches", "head.corn.ranks=years"),
            "head.corn.ranks (from --set): head.age is softmax, not corn.",
        ),
    ],
)
def test_settings_of_what_is_not_chosen_are_refused(sets: tuple[str, ...], sentence: str) -> None:
    assert refusal(*sets) == [sentence]


def test_beside_a_wrong_choice_nothing_is_said_of_its_settings() -> None:
    (line,) = refusal("loss.name=focus", "loss.focal.gamma=3")
    assert line.startswith("loss.name (from --set): there is no 'focus'")
    (line,) = refusal("loss.name=3", "loss.focal.gamma=3")
    assert line.startswith("loss.name (from --set): ")


def test_own_settings_are_recorded_with_their_defaults() -> None:
    assert resolve(sets=["loss.cross_entropy.smoothing=.1"]).loss.settings == {
        "cross_entropy": {"smoothing": 0.1, "class_weights": "none"}
    }
    config = resolve(sets=["loss.name=focal", "augment.name=flip", "augment.flip.prob=.25"])
    flat = flat_json(to_json(config))
    assert flat["loss.focal.gamma"] == 2.0
    assert flat["augment.flip.prob"] == 0.25
    assert not [name for name in flat if name.startswith(("loss.cross_entropy", "loss.f1"))]


def test_a_sum_of_losses_has_weights_and_the_settings_of_each() -> None:
    config = resolve(
        sets=[
            "loss.name=f1+focal",
            "loss.weights=[.4, .6]",
            "loss.focal.gamma=5",
            "loss.f1.absent=count",
        ]
    )
    assert config.loss.weights == (0.4, 0.6)
    assert set(config.loss.settings) == {"f1", "focal"}
    assert config.loss.settings["focal"]["gamma"] == 5
    assert config.loss.settings["f1"] == {"absent": "count"}


def test_the_nearest_name_knows_the_choices_settings() -> None:
    assert refusal("loss.focal.gama=3") == [
        "loss.focal.gama (from --set): no such setting; did you mean loss.focal.gamma?"
    ]
    assert "did you mean augment.half_face.partner?" in refusal("augment.halfface.partner=old")[0]
    assert "did you mean rows.oversample?" in refusal("rows.oversampel=60+:2")[0]


@pytest.fixture
def own_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A preset with a sum of losses, their weights and settings, and a transform."""
    (tmp_path / "own.toml").write_text(
        "[loss]\nname = 'f1+focal'\nweights = [0.4, 0.6]\n[loss.focal]\ngamma = 5\n"
        "[augment]\nname = 'half_face'\n[augment.half_face]\npartner = 'old'\n"
    )
    monkeypatch.setattr(layers, "_PRESETS", tmp_path)
    return "own"


def test_what_a_preset_says_of_its_choice_goes_with_the_choice(own_preset: str) -> None:
    kept = resolve(own_preset)
    assert kept.loss.settings["focal"]["gamma"] == 5
    assert kept.augment.settings["half_face"]["partner"] == "old"
    ldam = resolve(own_preset, sets=["loss.name=ldam"])
    assert ldam.loss.settings == {"ldam": parts.own_defaults("loss.name", "ldam")}
    assert ldam.loss.weights == ()
    assert resolve(own_preset, sets=["augment.name=none"]).augment.settings == {}


def test_a_presets_weights_stay_while_its_losses_do(own_preset: str) -> None:
    assert resolve(own_preset, sets=["loss.name=f1+focal"]).loss.weights == (0.4, 0.6)
    assert resolve(own_preset, sets=["optim.lr=.5"]).loss.weights == (0.4, 0.6)
    typed = resolve(own_preset, sets=["loss.name=f1+cross_entropy", "loss.weights=[1, 2]"])
    assert typed.loss.weights == (1, 2)
    with pytest.raises(UserError, match=r"^loss\.weights has 3 numbers for loss\.name=ldam\.$"):
        resolve(own_preset, sets=["loss.name=ldam", "loss.weights=[1, 2, 3]"])


@pytest.mark.parametrize("loss", parts.choices("loss.name"))
@pytest.mark.parametrize("preset", layers.preset_names())
def test_a_presets_loss_can_be_replaced(preset: str, loss: str) -> None:
    if loss == "ldam" and resolve(preset).head.name != "single":
        return  # a contradiction, see the relations
    assert resolve(preset, sets=[f"loss.name={loss}"]).loss.name == loss


def test_a_relation_is_not_judged_with_a_value_that_was_refused() -> None:
    lines = refusal("train.batch_size=many", "cluster.workers_per_fold=100")
    assert len(lines) == 1
    assert lines[0].startswith("train.batch_size (from --set):")


@pytest.mark.parametrize("content", [b"[optim\n", b"a = '\xff'\n"])
def test_what_is_no_toml_is_named(content: bytes) -> None:
    (line,) = refusal(file=TomlFile("x.toml", content))
    assert line.startswith("x.toml: not a TOML file: ")


def test_a_byte_order_mark_is_no_fault() -> None:
    file = TomlFile("x.toml", b"\xef\xbb\xbf[optim]\nlr = 0.25\n")
    assert resolve(file=file).optim.lr == 0.25


@pytest.mark.parametrize("text", ["optim.lr", "=3", " = 3"])
def test_set_without_a_name_or_value_is_refused(text: str) -> None:
    assert "write it as NAME=VALUE" in refusal(text)[0]


def test_unknown_preset_lists_those_there_are() -> None:
    names = ", ".join(layers.preset_names())
    with pytest.raises(UserError, match=f"--preset x: no such preset; there are {names}."):
        resolve("x")


@pytest.mark.parametrize("name", layers.preset_names())
def test_json_comes_back_as_it_went(name: str) -> None:
    import json

    config = resolve(name, sets=["cluster.resources_per_worker={a=1}", "cluster.gpus=2"])
    assert from_json(json.loads(json.dumps(to_json(config)))) == config


def test_json_with_an_unknown_setting_is_refused() -> None:
    tree = to_json(Config())
    tree["optim"]["warmup"] = 3
    with pytest.raises(UserError, match=r"optim\.warmup: .*; it is 3"):
        from_json(tree)


@pytest.mark.parametrize("name", PLACEMENT_ONLY)
def test_placement_is_no_difference(name: str) -> None:
    old = to_json(Config())
    assert name in flat_json(old)
    section, key = name.split(".")
    new = old | {section: old[section] | {key: "another"}}
    assert differences(old, new) == []


def test_differences_name_both_values() -> None:
    old, new = to_json(resolve()), to_json(resolve(sets=["optim.lr=.5", "folds.seed=3"]))
    assert differences(old, new) == ["folds.seed: 0 there, 3 now", "optim.lr: 0.001 there, 0.5 now"]


def test_settings_of_choices_are_differences_too() -> None:
    old, new = to_json(resolve()), to_json(resolve(sets=["loss.cross_entropy.smoothing=.1"]))
    assert differences(old, new) == ["loss.cross_entropy.smoothing: 0.0 there, 0.1 now"]
    new = to_json(resolve(sets=["augment.name=flip"]))
    assert differences(old, new) == [
        "augment.flip.prob: not set there, 0.5 now",
        "augment.name: none there, flip now",
    ]


@given(st.integers(1, 99999), st.integers(1, 99999))
def test_sizes_are_read_as_they_are_written(height: int, width: int) -> None:
    size = Size(height, width)
    assert str(size) == f"{height}x{width}"
    assert Size.parse(str(size)) == size
    assert Crop.parse(str(Crop(size))) == Crop(size)


@pytest.mark.parametrize("text", ["", "384", "384*288", "0x3", "-1x3", "3x", "3x4x5", 384, None])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="expected HEIGHTxWIDTH"):
        Size.parse(text)


@given(st.integers(0, 3000))
def test_face_margins_are_read_as_they_are_written(thousandths: int) -> None:
    crop = Crop(margin=thousandths / 1000)
    assert Crop.parse(str(crop)) == crop


@pytest.mark.parametrize(
    ("text", "crop", "spelled"),
    [
        ("none", Crop(), "none"),
        ("fill", Crop(fill=True), "fill"),
        ("center:384x288", Crop.center_of(384, 288), "center:384x288"),
        ("face", Crop(margin=DEFAULT_MARGIN), "face:0.3"),
        ("face:.25", Crop(margin=0.25), "face:0.25"),
        ("face:0", Crop(margin=0.0), "face:0"),
        ("face:3.0", Crop(margin=3.0), "face:3"),
    ],
)
def test_crops_have_one_spelling_each(text: str, crop: Crop, spelled: str) -> None:
    assert Crop.parse(text) == crop
    assert str(crop) == spelled
    assert resolve(sets=[f"image.crop={text}"]).image.crop == crop


@pytest.mark.parametrize(
    "text",
    [
        "",
        "centre",
        "fill:",
        "Fill",
        "top:3x4",
        5,
        "face:",
        "face:-1",
        "face:3.1",
        "face:a",
        "face:0.1234",
    ],
)
def test_what_is_no_crop_is_refused(text: object) -> None:
    with pytest.raises(
        ValueError, match=r"expected none, fill, center:HEIGHTxWIDTH .* or face:MARGIN"
    ):
        Crop.parse(text)


def test_a_list_is_typed_as_a_list() -> None:
    config = resolve(sets=["optim.schedule=multistep", "optim.milestones=[3, 7]"])
    assert config.optim.milestones == (3, 7)
    (line,) = refusal("optim.schedule=multistep", "optim.milestones=[3, 0]")
    assert line.startswith("optim.milestones (from --set): should be greater than or equal to 1")
    (line,) = refusal("loss.weights=.5")
    assert line.startswith("loss.weights (from --set): ")
