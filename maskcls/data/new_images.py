"""The images that `predict` is asked for, and their groups where answers are by group."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from maskcls.core.errors import UserError
from maskcls.core.progress import Progress
from maskcls.data.findings import Findings
from maskcls.data.image_list import (
    CSV_COLUMNS,
    Listed,
    groups_in_paths,
    images_from_csv,
    list_images,
    with_extensions,
)
from maskcls.data.task_toml import Source
from maskcls.store.folder import Folder
from maskcls.store.uris import is_uri

SAMPLE = 20
"""So many paths are looked for: asking for each of a million objects in a bucket would take hours."""


@dataclass(frozen=True)
class NewImages:
    """Images to predict.

    folder: that the paths are relative to. rows: path (as on disk), size_bytes and mtime_ns of each
    image; name, as a CSV file names it, where that differs from path; group, if asked for. groups_from:
    what named the groups.
    """

    folder: Folder
    rows: pd.DataFrame
    groups_from: str | None

    @property
    def probe(self) -> str:
        """The path of an image that exists, if one of the first does, else the first."""
        paths: list[str] = self.rows["path"].iloc[:SAMPLE].tolist()
        return next((path for path in paths if self.folder.exists(path)), paths[0])


def find_images(
    images: str, progress: Progress, column: str = "image", group: str | None = None
) -> NewImages:
    """The images of a folder or a CSV file.

    images: its location. column: what the task's answers call an image, besides the usual names. group:
    what the task says of groups, "" for nothing; None where groups are not asked for. Raises UserError
    for neither a folder nor a CSV file, no image, faults of the CSV file, a path without a group.
    """
    folder = Folder.at(images)
    if folder.is_dir():
        findings = Findings(where=folder.shown)
        rows = list_images(folder, findings)
        for finding in findings.collected():
            progress.warn(f"{finding.where}: {finding.text}")
        listed = None
    elif (images.partition("?")[0] if is_uri(images) else images).lower().endswith(".csv"):
        parent, name = Folder.of_file(images)
        try:
            data = parent.read_bytes(name)
        except FileNotFoundError as e:
            raise UserError(f"{images}: there is no such file.") from e
        listed = images_from_csv(data, images, *_columns(column, group))
        folder, paths = _place(parent, listed.paths, images)
        rows = _rows(folder, paths)
        if paths != listed.paths:
            rows["name"] = listed.paths
    else:
        raise UserError(f"{images}: neither a folder of images nor a CSV file.")
    if group is None:
        return NewImages(folder, rows, None)
    where = images if listed else folder.shown
    rows["group"], groups_from = _groups(rows["path"], listed, group, where)
    progress.say(f"groups: by {groups_from}")
    return NewImages(folder, rows, groups_from)


def _columns(column: str, group: str | None) -> tuple[list[str], list[str]]:
    """Columns that may name the images of a CSV file, and those that may name their groups."""
    source = Source.parse(group) if group else None
    # In a task, "folder", "stem" and "path:REGEX" are no columns.
    by_task = [source.text] if source and source.kind == "column" else []
    # Where the answers are of patients, as in a file of studies, the patient does not name an image.
    names = [*CSV_COLUMNS, *([column] if column not in by_task else [])]
    return list(dict.fromkeys(names)), [] if group is None else [*by_task, "group"]


def _place(parent: Folder, names: Sequence[str], where: str) -> tuple[Folder, list[str]]:
    """The folder that a CSV file's paths are relative to, and the paths, with extensions.

    It is the CSV's, or its folder images: the competition's info.csv is next to that.
    """
    for below in ("", "images"):
        folder = parent.child(below) if below else parent
        paths = with_extensions(names, folder, where)
        if any(folder.exists(path) for path in paths[:SAMPLE]):
            return folder, paths
    raise UserError(
        f"{where}: none of its images is in {parent.shown} or its folder images;"
        " give paths relative to the CSV's folder."
    )


def _rows(folder: Folder, paths: Sequence[str]) -> pd.DataFrame:
    """Sizes and times are 0 where the file is not there or not on a local disk."""
    size, mtime = [], []
    for path in paths:
        local = folder.local_path / path if folder.is_local else None
        entry = os.stat(local) if local and local.is_file() else None  # noqa: PTH116
        size.append(entry.st_size if entry else 0)
        mtime.append(entry.st_mtime_ns if entry else 0)
    return pd.DataFrame({"path": paths, "size_bytes": size, "mtime_ns": mtime})


def _groups(
    paths: Iterable[str], listed: Listed | None, group: str, where: str
) -> tuple[list[str], str]:
    """Each image's group, and what named it: a column, else the path as in training, else its folder."""
    if listed and listed.groups is not None:
        return listed.groups, f"column {listed.group_column}"
    by_name = group == "stem" or group.startswith("path:")
    found = groups_in_paths(paths, where, Source.parse(group if by_name else "folder"))
    return found, group if by_name else "the first folder of each path"
