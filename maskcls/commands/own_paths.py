"""Relative paths in settings mean the user's working folder, not that of a worker elsewhere.

A job has no such folder: Ray copies what was submitted to another place each time, and a run that
remembers that place could not be gone on with.
"""

from dataclasses import replace
from pathlib import Path

from maskcls.commands.training_inputs import PUBLISHED
from maskcls.config.schema import Config
from maskcls.core.errors import UserError


def with_absolute_paths(config: Config) -> Config:
    """The configuration with every local path made absolute.

    Raises UserError for a relative one in a job.
    """
    rows = config.rows
    rows = replace(
        rows,
        corrections=_absolute("rows.corrections", rows.corrections, ("none", PUBLISHED)),
        extra=_absolute("rows.extra", rows.extra, ("none",)),
        pseudo_labels=_absolute("rows.pseudo_labels", rows.pseudo_labels, ("none",)),
    )
    given = ("hub", "none", "model")
    settings = {
        choice: {
            name: _absolute(f"head.{choice}.{name}", value, given)
            if name.endswith("_weights")
            else value
            for name, value in own.items()
        }
        for choice, own in config.head.settings.items()
    }
    model = replace(config.model, weights=_absolute("model.weights", config.model.weights, given))
    return replace(config, rows=rows, model=model, head=replace(config.head, settings=settings))


def _absolute(setting: str, text: str, words: tuple[str, ...]) -> str:
    if text in words or "://" in text:
        return text
    path = Path(text).expanduser()
    if not path.is_absolute() and _is_rays_copy(Path.cwd()):
        raise UserError(
            f"{setting}={text}: a relative path means nothing to a job, which runs in a folder of"
            " Ray's, another one each time; give s3://BUCKET/... or an absolute path that the"
            " cluster reaches."
        )
    return str(path.absolute())


def _is_rays_copy(folder: Path) -> bool:
    """Whether Ray has put what was submitted there (Ray 2.60)."""
    return any(part.startswith("_ray_pkg_") for part in folder.parts)
