"""The space of a search: which settings, and which values of each; read from a TOML file.

[search]
sampler = "optuna"        # or random
trials = 30               # or hours = 8.0

[space]
optim.lr = {low = 1e-4, high = 1e-2, log = true}
train.batch_size = {low = 16, high = 64, step = 16}
loss.name = ["cross_entropy", "focal"]
loss.focal.gamma = {low = 0.5, high = 4.0}      # drawn only where the loss is focal
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, Literal, TypedDict

from annotated_types import Ge, Gt, Le, Lt

from maskcls.config.layers import TomlFile, Value, with_changes
from maskcls.config.resolve import from_flat, value_faults
from maskcls.config.schema import Config, Section
from maskcls.core.errors import UserError

_ORIGIN = "preset of the trial"
_RANGE_KEYS = {"low", "high", "log", "step"}
_FIXED = {
    "folds.": "all trials have the same folds",
    "cluster.": "it places the work and changes no score",
    "train.checkpoint_s": "it places the work and changes no score",
}


@dataclass(frozen=True, kw_only=True)
class Search(Section):
    """How to search; the section [search]."""

    sampler: Literal["optuna", "random"] = "optuna"
    """What proposes settings: optuna's TPE, or independent draws."""
    trials: Annotated[int, Ge(1)] | None = None
    """Budget: trials to start; 20 if neither this nor hours is given."""
    hours: Annotated[float, Gt(0)] | None = None
    """Budget: no trial starts after this time, over all starts of the command [h]."""
    first_rung: Annotated[int, Ge(1)] = 1
    """Epochs that every trial gets before ASHA may stop it [epochs]."""
    reduction: Annotated[int, Ge(2), Le(10)] = 3
    """ASHA continues one of so many trials at each rung; rungs are first_rung times its powers."""
    finalists: Annotated[int, Ge(1)] = 3
    """Best trials of fold 0 that are then trained on all folds."""
    seed: Annotated[int, Ge(0), Lt(4294967296)] = 0
    """Seed of the proposals."""

    @property
    def max_trials(self) -> int | None:
        """Maximum number of trials; None if only the hours count."""
        return 20 if self.trials is None and self.hours is None else self.trials


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included; whole ones when low, high and step are whole."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are drawn."""
        return all(isinstance(x, int) for x in (self.low, self.high, self.step or 1))

    def at(self, share: float) -> float:
        """The value at a share of the range, 0 to 1 (1 excluded)."""
        low, high = self.low, self.high
        if self.step is not None:
            # The tolerance, as (0.3 - 0.1) / 0.1 is a little below 2 and would lose the last value.
            count = math.floor((high - low) / self.step + 1e-9) + 1
            value = low + self.step * min(int(share * count), count - 1)
        elif self.is_whole and not self.log:
            # Not rounded from a share of the length, which would draw both ends half as often.
            return low + min(int(share * (high - low + 1)), int(high - low))
        elif self.log:
            value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            value = low + share * (high - low)
        return round(value) if self.is_whole else value

    def share_of(self, value: float) -> float:
        """Where a value lies in the range, 0 to 1, on the scale in which it is drawn."""
        scale = math.log if self.log else float
        low, high = scale(self.low), scale(self.high)
        return (scale(value) - low) / (high - low)


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Any, ...]

    def at(self, share: float) -> Any:
        """The value at a share of the list, 0 to 1 (1 excluded)."""
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]


Domain = Range | Choice


class SpaceJson(TypedDict):
    """A space as search.json holds it."""

    search: dict[str, object]
    space: dict[str, object]


@dataclass(frozen=True)
class Space:
    """What is searched, and how: a domain for each setting's name."""

    search: Search
    domains: Mapping[str, Domain]

    def to_json(self) -> SpaceJson:
        """Plain values, for the search's record."""
        return {
            "search": asdict(self.search),
            "space": {
                name: list(d.values) if isinstance(d, Choice) else asdict(d)
                for name, d in self.domains.items()
            },
        }


def read_space(file: TomlFile, base: Mapping[str, Value]) -> Space:
    """The content of a space file; base: the flat configuration that the trials change.

    Raises UserError with all errors at once: unknown settings, values that a setting does not accept,
    settings that a search may not change.
    """
    tree, shown = file.values(), file.name
    if other := sorted(tree.keys() - {"search", "space"}):
        raise UserError(
            f"{shown}: [{other[0]}] is not a section of a space file; it has [search] and [space]."
        )
    search = _search_of(tree.get("search", {}), shown)
    faults: list[str] = []
    domains: dict[str, Domain] = {}
    for name, value in _leaves(tree.get("space", {})).items():
        try:
            domains[name] = _domain_of(value)
            _try_out(name, domains[name], base)
        except (ValueError, UserError) as e:
            faults.append(f"{shown}: {name}: {e}")
    if not domains and not faults:
        faults.append(
            f"{shown}: [space] is empty; name a setting, such as optim.lr = [1e-3, 1e-4]."
        )
    if faults:
        raise UserError("\n".join(faults))
    return Space(search, domains)


def _search_of(values: Any, file: str) -> Search:
    from pydantic import TypeAdapter, ValidationError

    from maskcls.config.layers import sentence_of

    try:
        search: Search = TypeAdapter(Search).validate_python(values)
    except ValidationError as e:
        sentences = [sentence_of(x, {}, "search") for x in e.errors()]
        known = ", ".join(field.name for field in fields(Search))
        raise UserError(f"{file}: {' '.join(sentences)} [search] has {known}.") from e
    return search


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Dotted names and their values; a table with low or high is a range, not a section."""
    found: dict[str, object] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and not value.keys() & {"low", "high"}:
            found |= _leaves(value, f"{name}.")
        else:
            found[name] = value
    return found


def _domain_of(value: Any) -> Domain:
    if isinstance(value, list):
        if len(value) < 2:
            raise ValueError("a list needs at least two values to choose from.")
        return Choice(tuple(value))
    if not isinstance(value, Mapping):
        raise ValueError(
            f"{value!r} is one value; give a list, or a range {{low = .., high = ..}}."
        )
    if value.keys() - _RANGE_KEYS or not {"low", "high"} <= value.keys():
        raise ValueError("a range has low and high, and may have log = true or step.")
    numbers = [value["low"], value["high"], value.get("step", 1)]
    # In Python a bool is an int, and TOML's true would be the number 1.
    if any(isinstance(x, bool) or not isinstance(x, int | float) for x in numbers):
        raise ValueError("low, high and step are numbers.")
    found = Range(value["low"], value["high"], bool(value.get("log", False)), value.get("step"))
    if not found.low < found.high:
        raise ValueError("low must be below high.")
    if found.step is not None and (found.log or found.step <= 0):
        raise ValueError("a step is above 0 and does not go with log.")
    if found.log and found.low <= 0:
        raise ValueError("log needs low above 0.")
    return found


def _try_out(name: str, domain: Domain, base: Mapping[str, Value]) -> None:
    """Check each end or choice alone on top of the base; UserError for the first that is refused.

    Before the search starts: a value that is out of bounds would only be found when it is drawn.
    """
    for prefix, why in _FIXED.items():
        if name.startswith(prefix):
            raise ValueError(f"a search cannot change it: {why}.")
    values = domain.values if isinstance(domain, Choice) else (domain.low, domain.high)
    for value in values:
        # Bounds only, no relations: another searched setting may have a value that fits.
        if faults := value_faults(_flat_of(base, {name: value})):
            raise UserError(" ".join(faults))


def config_of(base: Mapping[str, Value], settings: Mapping[str, Any]) -> Config:
    """The configuration of a trial, without those settings and values of base that have no effect.

    base: valid by itself. Raises UserError when the settings contradict one another, or the base.
    """
    return from_flat(_flat_of(base, settings))


def _flat_of(base: Mapping[str, Value], settings: Mapping[str, Any]) -> dict[str, Value]:
    values = {name: Value(value, _ORIGIN) for name, value in settings.items()}
    return with_changes(base, values, _ORIGIN)
