"""A configuration written as a file is the same when it is read again."""

import pytest

from maskcls.config import relations
from maskcls.config.as_file import as_file
from maskcls.config.layers import TomlFile, gather, preset_names
from maskcls.config.resolve import differences, resolve, to_json
from maskcls.config.schema import Config
from maskcls.tuning.space import config_of


def written_and_read(config: Config) -> Config:
    text = as_file(config, "two\nlines")
    assert text.startswith("# two\n# lines\n")
    return resolve(None, TomlFile("best.toml", text.encode()))


def lost(old: Config, new: Config) -> list[str]:
    """Settings that differ and have an effect."""
    names = [d.partition(":")[0] for d in differences(to_json(old), to_json(new))]
    return [name for name in names if relations.idle(name, old) is None]


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_comes_back(preset: str) -> None:
    config = resolve(preset)
    assert lost(config, written_and_read(config)) == []


@pytest.mark.parametrize(
    "sets",
    [
        ["optim.lr=3e-5"],
        ["loss.name=f1+focal", "loss.weights=[0.4, 0.6]", "loss.focal.gamma=3"],
        ["augment.name=flip+half_face"],
        ["optim.schedule=multistep", "optim.milestones=[2, 4]"],
        ["image.crop=face:0.25", "image.size=64x48"],
        ["rows.drop_ages=57-59", "rows.oversample=60+:2"],
        ['model.weights=/data/a "b" é.safetensors'],
        ["tta.flip=true", "optim.ema=0.99"],
    ],
    ids=lambda sets: sets[0].partition("=")[0],
)
def test_changed_settings_come_back(sets: list[str]) -> None:
    config = resolve("report", None, sets)
    again = written_and_read(config)
    assert lost(config, again) == []
    assert lost(config, resolve("report")) != []


def test_what_only_places_the_work_is_left_out() -> None:
    config = resolve("report", None, ["cluster.gpus=0", "cluster.resources_per_worker={a = 1}"])
    assert "cluster" not in as_file(config, "")


def test_a_part_without_effect_takes_its_own_settings_with_it() -> None:
    config = config_of(gather("report"), {"head.name": "single", "head.age": "corn"})
    again = written_and_read(config)
    assert again.head.name == "single"
    assert lost(config, again) == ["head.corn.ranks"]  # of the part that has none
