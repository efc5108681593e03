"""What differs between two runs beside their score: settings, seeds, code."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from maskcls.config import parts
from maskcls.config.resolve import flat_json, to_json
from maskcls.config.schema import PLACEMENT_ONLY, Config
from maskcls.store.run import Run

SEED = "train.seed"
Settings = dict[str, tuple[Any, Any]]
"""{"loss.name": (of the first, of the second)}"""
Code = dict[str, tuple[str | None, str | None]]
"""{"commit": (of the first, of the second)}; None where it is not known."""


def settings_that_differ(a: Config, b: Config) -> Settings:
    """Settings that can change numbers and differ, without the seed of training.

    A choice's own settings, such as loss.focal.gamma, count where both made this choice; else the
    choice itself is what differs.
    """
    first, second = numbers_of(a), numbers_of(b)
    both = [name for name in first if name in second]
    return {n: (first[n], second[n]) for n in both if first[n] != second[n] and n != SEED}


def settings_changed(base: Config, config: Config) -> Settings:
    """What a configuration that was derived from another one has otherwise.

    As settings_that_differ, with the seed, and with the own settings of a choice that only the second
    made, where they are not the choice's defaults; of these the base has None.
    """
    found = settings_that_differ(base, config)
    if base.train.seed != config.train.seed:
        found[SEED] = (base.train.seed, config.train.seed)
    there = numbers_of(base)
    for name, value in numbers_of(config).items():
        if name not in there and value != _own_default(name):
            found[name] = (None, value)
    return found


def _own_default(name: str) -> Any:
    """Of a choice's own setting, such as loss.focal.gamma."""
    section, choice, key = name.split(".")
    setting = next(
        one
        for one in parts.FOLDERS
        if parts.section_of(one) == section and choice in parts.choices(one)
    )
    return parts.own_defaults(setting, choice).get(key)


def numbers_of(config: Config) -> dict[str, Any]:
    """The settings that can change numbers, by their flat names."""
    return {
        name: value
        for name, value in flat_json(to_json(config)).items()
        if name not in PLACEMENT_ONLY
    }


def shown(name: str, value: Any, config: Config) -> str:
    """A setting's value; of a choice with its own settings: "focal (gamma 5.0)"."""
    flat = flat_json(to_json(config))
    own = {
        key.removeprefix(prefix): of
        for choice in str(value).split("+")
        for prefix in (f"{name.partition('.')[0]}.{choice}.",)
        for key, of in flat.items()
        if key.startswith(prefix)
    }
    return f"{value} ({', '.join(f'{k} {v}' for k, v in own.items())})" if own else str(value)


def code_that_differs(a: Sequence[Run], b: Sequence[Run]) -> Code:
    """Commit of the program and versions of packages that differ between two sides, by name.

    They differ where the runs have several, unless each side has every one equally often.
    """
    first, second = [_code(run) for run in a], [_code(run) for run in b]
    found: Code = {}
    for name in sorted(set().union(*first, *second)):
        own, other = ([code.get(name) for code in side] for side in (first, second))
        if len({*own, *other}) > 1 and Counter(own) != Counter(other):
            found[name] = _together(own), _together(other)
    return found


def _together(values: Sequence[str | None]) -> str | None:
    """The values of a side's runs, each once."""
    return ", ".join(map(str, dict.fromkeys(values))) if len(set(values)) > 1 else values[0]


def _code(run: Run) -> dict[str, str | None]:
    record = run.record()
    return {} if record is None else {**record.versions, "commit": record.git_commit}


def fingerprint_of(run: Run) -> str | int | None:
    """Of the images, labels and groups that the run trains on."""
    record = run.record()
    return None if record is None else record.data.get("fingerprint")
