"""Settings as they are typed: preset, --config and --set; the file may lie wherever a run may."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from maskcls.config.layers import TomlFile, Value, gather
from maskcls.config.resolve import from_flat
from maskcls.config.schema import Config
from maskcls.core.errors import UserError
from maskcls.runs.inputs import PUBLISHED
from maskcls.store.paths import Folder
from maskcls.store.uris import Uri


def settings(
    preset: str | None = None, file: str | None = None, sets: Iterable[str] = ()
) -> Config:
    """The configuration that preset, TOML file and NAME=VALUE texts make together.

    file: local path or object-store URI. Raises UserError for a file that cannot be read, and with
    all faults of the settings at once; see config/resolve.py.
    """
    return from_flat(flat_settings(preset, file, sets))


def flat_settings(
    preset: str | None = None, file: str | None = None, sets: Iterable[str] = ()
) -> dict[str, Value]:
    """As settings, before they are judged together: each value with its origin."""
    return gather(preset, None if file is None else read_toml(file), sets)


def read_toml(location: str) -> TomlFile:
    """Read a TOML file; location: local path or object-store URI.

    Raises UserError when it is missing or cannot be read.
    """
    # Neither credentials nor a store's options belong into messages.
    name = Uri.parse(location).shown if "://" in location else location
    try:
        folder, file = Folder.of_file(location)
        return TomlFile(name, folder.read_bytes(file))
    except FileNotFoundError as e:
        raise UserError(f"{name}: there is no such file.") from e
    except OSError as e:
        # pyarrow gives a store's answer as text only.
        reason = e.strerror or str(e).partition("\n")[0][:200]
        raise UserError(f"{name}: cannot be read: {reason}.") from e


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
