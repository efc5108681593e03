"""Settings as they are typed: preset, --config and --set; the file may lie wherever a run may."""

from collections.abc import Iterable

from maskcls.config.layers import TomlFile, Value, gather
from maskcls.config.resolve import from_flat
from maskcls.config.schema import Config
from maskcls.core.errors import UserError
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
