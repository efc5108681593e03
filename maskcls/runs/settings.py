"""Settings as they are typed: preset, --config and --set; the file may be local or an object."""

import tomllib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from maskcls.config.layers import TomlFile, Value, gather, preset_names
from maskcls.config.resolve import from_flat, resolve, to_json
from maskcls.config.schema import Cluster, Config
from maskcls.core.errors import UserError
from maskcls.core.hashing import digest_of_bytes
from maskcls.data.find_task import find_task
from maskcls.data.task_file import BUILT_IN
from maskcls.evaluation.what_differs import settings_changed
from maskcls.runs.inputs import PUBLISHED
from maskcls.store.folder import Folder, absolute_path
from maskcls.store.record import Origin
from maskcls.store.uris import Uri, is_uri, refuse_credentials

_NOT_FOR_PREDICT = (
    "cluster.threads", "cluster.workers_per_fold", "cluster.folds_at_once", "cluster.retries",
)  # fmt: skip


def settings(
    preset: str | None = None, file: str | None = None, sets: Iterable[str] = ()
) -> Config:
    """The configuration given by preset, TOML file and NAME=VALUE texts together.

    file: local path or object-store URI. Raises UserError for a file that cannot be read, and with
    all errors of the settings at once; see config/resolve.py.
    """
    return from_flat(flat_settings(preset, file, sets))


@dataclass(frozen=True)
class Asked:
    """Settings as they were typed, and what they were derived from."""

    config: Config
    origin: Origin


def asked_for(
    data: str,
    task: str | None,
    preset: str | None = None,
    file: str | None = None,
    sets: Iterable[str] = (),
) -> Asked:
    """As settings_for, with their origin, which the run's record is to have."""
    sets = list(sets)
    preset = _preset_for(data, task, preset, file, sets)
    _refuse_credentials_typed(sets)
    text = None if file is None else read_toml(file)
    config = from_flat(gather(preset, text, sets))
    digest = None
    try:
        base = from_flat(gather(preset, text))
        if text is not None:
            digest = digest_of_bytes(text.content).hex()[:8]
    except UserError:  # the file is only valid with what was typed on top of it
        base, text = resolve(preset), None
    differs = {name: list(values) for name, values in settings_changed(base, config).items()}
    return Asked(config, Origin(preset, None if text is None else text.name, digest, differs))


def settings_for(
    data: str,
    task: str | None,
    preset: str | None = None,
    file: str | None = None,
    sets: Iterable[str] = (),
) -> Config:
    """As settings; without a preset, that of the task: see default_preset."""
    return from_flat(flat_settings_for(data, task, preset, file, sets))


def flat_settings_for(
    data: str,
    task: str | None,
    preset: str | None = None,
    file: str | None = None,
    sets: Iterable[str] = (),
) -> dict[str, Value]:
    """As settings_for, before they are checked together."""
    sets = list(sets)
    return flat_settings(_preset_for(data, task, preset, file, sets), file, sets)


def _preset_for(
    data: str, task: str | None, preset: str | None, file: str | None, sets: Sequence[str]
) -> str:
    try:
        return preset or default_preset(data, task)
    except UserError:
        settings(preset, file, sets)  # a wrong setting is reported whatever is wrong with the data
        raise


def default_preset(data: str, task: str | None) -> str:
    """The preset of the task at DATA; task: a task file, a built-in task's name, or None."""
    file = find_task(Folder.at(data), absolute_task(task))
    if file.defaults not in preset_names():
        raise UserError(
            f"{file.origin}: [task] defaults = {file.defaults!r}: no such preset; there are"
            f" {', '.join(preset_names())}."
        )
    return file.defaults


def absolute_task(task: str | None) -> str | None:
    """A task's name as it is, a task file's path made absolute; UserError as with_absolute_paths."""
    return None if task is None else _absolute("--task", task, BUILT_IN)


def settings_of_predict(sets: Iterable[str]) -> Cluster:
    """The cluster.* settings of predict; UserError for others, and for those without effect there."""
    # Refused, not ignored: a setting without effect would seem to have been applied.
    sets = list(sets)
    for text in sets:
        name = text.partition("=")[0].strip()
        if not name.startswith("cluster."):
            raise UserError(f"--set {text}: predict takes cluster.* only; the rest is the run's.")
        if name in _NOT_FOR_PREDICT:
            raise UserError(
                f"--set {name}: has no effect on predict; a fold predicts once, by one worker with"
                " the threads that it trained with."
            )
    return settings(sets=sets).cluster


def flat_settings(
    preset: str | None = None, file: str | None = None, sets: Iterable[str] = ()
) -> dict[str, Value]:
    """As settings, before they are checked together: each value with its origin."""
    sets = list(sets)
    _refuse_credentials_typed(sets)
    return gather(preset, None if file is None else read_toml(file), sets)


def _refuse_credentials_typed(sets: Sequence[str]) -> None:
    # Before anything else: other messages quote values, and Ray's lists and a run's records keep them.
    for text in sets:
        name, _, value = text.partition("=")
        refuse_credentials(value, f"{name.strip()} (from --set)")


def read_toml(location: str) -> TomlFile:
    """Read a TOML file; location: local path or object-store URI.

    Raises UserError when it is missing, cannot be read, or holds credentials in a URI.
    """
    # The options of a store's URI may hold secrets, so messages show the URI without them.
    name = Uri.parse(location).shown if is_uri(location) else location
    try:
        folder, file = Folder.of_file(location)
        text = folder.read_bytes(file)
    except FileNotFoundError as e:
        raise UserError(f"{name}: there is no such file.") from e
    except OSError as e:
        # Errors of pyarrow's object stores have no errno, only the answer as text.
        reason = e.strerror or str(e).partition("\n")[0][:200]
        raise UserError(f"{name}: cannot be read: {reason}.") from e
    # Invalid TOML is refused later, with its line, where the values are needed.
    with suppress(tomllib.TOMLDecodeError, UnicodeDecodeError):
        _refuse_credentials_in(tomllib.loads(text.decode()), name, "")
    return TomlFile(name, text)


def _refuse_credentials_in(value: object, file: str, path: str) -> None:
    """Check a TOML file's values, recursively; path: of this value, such as rows.extra."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _refuse_credentials_in(inner, file, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value:
            _refuse_credentials_in(inner, file, path)
    elif isinstance(value, str):
        refuse_credentials(value, f"{path} (from {file})")


def with_absolute_paths(config: Config) -> Config:
    """The configuration with every local path made absolute.

    Raises UserError for a relative path in a job, and for a URI with credentials in any setting.
    """
    # Also here, since presets and the Python interface do not pass through read_toml.
    for section, settings_of in to_json(config).items():
        _refuse_credentials_in(settings_of, "the configuration", section)
    rows = config.rows
    rows = replace(
        rows,
        corrections=_absolute("rows.corrections", rows.corrections, ("none", PUBLISHED)),
        extra=_absolute("rows.extra", rows.extra, ("none",)),
        pseudo_labels=_absolute("rows.pseudo_labels", rows.pseudo_labels, ("none",)),
    )
    given = ("hub", "none", "model")  # values of weights settings that are not paths
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


def _absolute(setting: str, text: str, keywords: tuple[str, ...]) -> str:
    if text in keywords or is_uri(text):
        return text
    # In a job, the current folder is Ray's copy of the uploaded code, which lacks the user's files.
    if not text.startswith(("/", "~")) and _is_uploaded_copy(Path.cwd()):
        raise UserError(
            f"{setting}={text}: a relative path is not valid in a job, which runs in a folder of Ray's"
            " that differs each time; give s3://BUCKET/... or an absolute path that the cluster"
            " reaches."
        )
    return str(absolute_path(text))


def _is_uploaded_copy(folder: Path) -> bool:
    """Whether Ray has unpacked a submitted working directory there (Ray 2.60)."""
    return any(part.startswith("_ray_pkg_") for part in folder.parts)
