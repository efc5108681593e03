"""What a study trains: the base and each change of it alone, with every seed; and the runs' names.

    --change loss.name=focal                          one setting
    --change loss.name=focal+loss.focal.gamma=4       several that only make sense together

A "+" separates settings only where NAME= follows it, since values have it, too: loss.name=f1+focal.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from maskcls.config.layers import Value, parse_value, with_changes
from maskcls.config.resolve import differences, flat_json, from_flat, to_json
from maskcls.config.schema import Config
from maskcls.core.errors import UserError
from maskcls.store.uris import refuse_credentials

_ORIGIN = "preset of the study"
_BETWEEN = re.compile(r"\+(?=\s*[a-z_]+(?:\.[a-z0-9_]+)+\s*=)")
_UNSAFE = re.compile(r"[^A-Za-z0-9._=+,-]+")
_LONGEST = 80
_FIXED = {
    "folds.": "all runs of a study have the same folds; set it for all of them by --set",
    "cluster.": "it places the work and changes no score; set it for all runs by --set",
    "train.checkpoint_s": "it changes no score; set it for all runs by --set",
    "train.seed": "each change is trained with several; see --seeds",
}
BASE = "base"


@dataclass(frozen=True)
class Change:
    """values: by setting. text: as typed, in one spelling. settings: the base's and the changed value of
    each, as JSON has them; the base has None where it has no such setting."""

    text: str
    values: Mapping[str, Value]
    settings: dict[str, list[object]]

    @property
    def name(self) -> str:
        """The beginning of its runs' names: the text, made safe as a file's name."""
        safe = _UNSAFE.sub("_", self.text)[:_LONGEST]
        if safe == self.text:
            return safe
        return f"{safe}-{hashlib.sha256(self.text.encode()).hexdigest()[:6]}"


def run_name(change: Change | None, seed: int) -> str:
    """The folder of a run in the study's; change: None for the base."""
    return f"{change.name if change else BASE}-s{seed}"


def seeds_of(config: Config, count: int) -> list[int]:
    """train.seed of each repetition; UserError for less than one."""
    if count < 1:
        raise UserError(f"--seeds {count}: give 1 or more; 3 show the noise of training.")
    return [config.train.seed + k for k in range(count)]


def config_of(base: Mapping[str, Value], change: Change | None, seed: int) -> Config:
    """The settings of a run. base: valid by itself. Raises UserError where the change contradicts it."""
    config = from_flat(with_changes(base, change.values, _ORIGIN) if change else base)
    return replace(config, train=replace(config.train, seed=seed))


def read_changes(texts: Iterable[str], base: Mapping[str, Value]) -> list[Change]:
    """The changes, each tried on the base.

    Raises UserError with all errors at once: a change that is wrong, changes nothing, is there twice, or
    is of what the runs of a study share.
    """
    found: list[Change] = []
    faults: list[str] = []
    trees: dict[str, str] = {}
    for text in texts:
        try:
            change = _read(text, base)
        except UserError as e:
            faults += [f"--change {text.strip()}: {line}" for line in str(e).splitlines()]
            continue
        tree = json.dumps(_tree(base, change), sort_keys=True)
        if tree in trees:
            faults.append(f"--change {change.text}: the same as --change {trees[tree]}.")
        trees[tree] = change.text
        found.append(change)
    if faults:
        raise UserError("\n".join(faults))
    return found


def _read(text: str, base: Mapping[str, Value]) -> Change:
    values: dict[str, Value] = {}
    for part in _BETWEEN.split(text):
        name, sign, typed = (word.strip() for word in part.partition("="))
        if not sign or not name or not typed:
            raise UserError(
                "write it as NAME=VALUE, such as loss.name=focal; of several settings as"
                " NAME=VALUE+NAME=VALUE."
            )
        refuse_credentials(typed, name)
        for fixed, why in _FIXED.items():
            if name == fixed or (fixed.endswith(".") and name.startswith(fixed)):
                raise UserError(f"a change cannot be of {name}: {why}.")
        if name in values:
            raise UserError(f"{name} is there twice.")
        values[name] = Value(parse_value(typed), "--change", typed)
    change = Change("+".join(f"{n}={_spelled(v)}" for n, v in values.items()), values, {})
    old, new = to_json(from_flat(base)), _tree(base, change)
    if not differences(old, new):
        raise UserError("the base has this value already, so it changes nothing.")
    before, after = flat_json(old), flat_json(new)
    return replace(change, settings={n: [before.get(n), after.get(n)] for n in values})


def _tree(base: Mapping[str, Value], change: Change) -> dict[str, object]:
    return to_json(from_flat(with_changes(base, change.values, _ORIGIN)))


def _spelled(value: Value) -> str:
    """One text for 1e-3 and 0.001, so that both are the same change."""
    if isinstance(value.value, str):
        return value.value
    try:
        return json.dumps(value.value, separators=(",", ":"))
    except TypeError:  # a date of TOML: refused by the setting
        return str(value.typed)


def in_order(changes: Sequence[Change], seeds: Sequence[int]) -> list[tuple[Change | None, int]]:
    """The runs, seed by seed: a study that is cut short has compared every change on fewer seeds."""
    return [(change, seed) for seed in seeds for change in (None, *changes)]
