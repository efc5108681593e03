"""Relative paths in settings mean the user's working folder, not that of a worker elsewhere."""

from dataclasses import replace
from pathlib import Path

from maskcls.commands.training_inputs import PUBLISHED
from maskcls.config.schema import Config


def with_absolute_paths(config: Config) -> Config:
    """The configuration with every local path made absolute."""
    rows = config.rows
    rows = replace(
        rows,
        corrections=_absolute(rows.corrections, ("none", PUBLISHED)),
        extra=_absolute(rows.extra, ("none",)),
        pseudo_labels=_absolute(rows.pseudo_labels, ("none",)),
    )
    given = ("hub", "none", "model")
    settings = {
        choice: {k: _absolute(v, given) if k.endswith("_weights") else v for k, v in own.items()}
        for choice, own in config.head.settings.items()
    }
    model = replace(config.model, weights=_absolute(config.model.weights, given))
    return replace(config, rows=rows, model=model, head=replace(config.head, settings=settings))


def _absolute(text: str, words: tuple[str, ...]) -> str:
    if text in words or "://" in text:
        return text
    return str(Path(text).expanduser().absolute())
