"""A configuration as a TOML file that a user can read, change and pass to --config."""

import json
from collections.abc import Mapping
from typing import Any

from maskcls.config import parts, relations
from maskcls.config.resolve import flat_json, resolve, to_json
from maskcls.config.schema import Config


def as_file(config: Config, head: str) -> str:
    """TOML text of this configuration, to be used without --preset.

    head: comment at its top. Left out are values of the default preset, placement (section cluster) and
    settings without an effect.
    """
    # Against the defaults, not the run's own preset: the file must not depend on a --preset.
    usual = flat_json(to_json(resolve()))
    without = {s for s in parts.FOLDERS if relations.idle(s, config) is not None}
    sections: dict[str, list[str]] = {}
    for name, value in flat_json(to_json(config)).items():
        section, key = name.split(".", 1)
        known = name in usual and usual[name] == value
        # An idle setting would be refused when the file is read.
        has_effect = relations.idle(name, config) is None and _chooser(name) not in without
        if section != "cluster" and not known and has_effect:
            sections.setdefault(section, []).append(f"{key} = {_text_of(value)}")
    lines = [f"# {line}" for line in head.splitlines()]
    for section, settings in sections.items():
        lines += ["", f"[{section}]", *settings]
    return "\n".join(lines) + "\n"


def _chooser(name: str) -> str | None:
    """The setting that chooses what a choice's own setting, such as loss.focal.gamma, belongs to."""
    section, *rest = name.split(".")
    if len(rest) < 2:
        return None
    return next(
        s for s in parts.FOLDERS if parts.section_of(s) == section and rest[0] in parts.choices(s)
    )


def _text_of(value: Any) -> str:
    """A value in TOML's spelling."""
    # JSON's strings, integers and booleans are TOML's, too.
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text_of, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{json.dumps(k)} = {_text_of(v)}' for k, v in value.items())}}}"
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
