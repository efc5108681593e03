"""The images of a task, listed and joined with the rows of its CSV: paths, and codes of all fields."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.errors import UserError
from maskcls.core.names import IMAGE_EXTENSIONS, is_junk, nfc, some, split_extension
from maskcls.data.csv_file import TextColumn
from maskcls.data.fields import Field, group_digest, in_path
from maskcls.data.findings import Faults, Findings, Kind
from maskcls.data.image_rows import ImageRows
from maskcls.data.task_file import TaskFile
from maskcls.data.walk import below, is_image, is_readable, walk
from maskcls.store.folder import Folder
from maskcls.store.listing import Entry


@dataclass(frozen=True)
class ListedImages:
    """Columns of the images, sorted by the NFC form of path.

    path: relative to the image folder, as on disk. codes: of each field, by its name. root_fold: the
    given fold of the folder that holds the classes. missing: path of each row whose image is not there
    or not read, with the reason. group_digest: of each image's group, where the task names one.
    """

    codes: dict[str, "array[int]"]
    path: TextColumn = field(default_factory=TextColumn)
    size_bytes: "array[int]" = field(default_factory=lambda: array("q"))
    mtime_ns: "array[int]" = field(default_factory=lambda: array("q"))
    root_fold: "array[int]" = field(default_factory=lambda: array("h"))
    group_digest: "array[int]" = field(default_factory=lambda: array("Q"))
    missing: dict[str, str] = field(default_factory=dict)


class _Odd:
    """Images that are not used, or worth a word: how many, and the first three of them."""

    def __init__(self) -> None:
        self.num, self.first = 0, list[str]()

    def add(self, path: str) -> None:
        self.num += 1
        if self.num <= 3:
            self.first.append(path)

    def report(self, findings: Findings, kind: Kind, where: str, text: str) -> None:
        if self.num:
            findings.add(kind, where, f"{self.num:,} {text}: {some(self.first, self.num)}")


def list_task_images(
    data: Folder, file: TaskFile, fields: Sequence[Field], rows: ImageRows | None,
    faults: Faults, findings: Findings,
) -> ListedImages:  # fmt: skip
    """List the images of a task.

    fields: all fields; those that `rows` has no codes of are read from paths. Raises UserError for two
    files of one name (NFC), no image at all, and a CSV most of whose images are missing.
    """
    return _Lister(data, file, fields, rows, faults, findings).read()


class _Lister:
    def __init__(
        self, data: Folder, file: TaskFile, fields: Sequence[Field], rows: ImageRows | None,
        faults: Faults, findings: Findings,
    ) -> None:  # fmt: skip
        self._data, self._file, self._fields, self._rows = data, file, fields, rows
        self._faults, self._findings = faults, findings
        self._where = file.images or data.shown
        self._by_folder = any(part.source.kind == "folder" for part in file.parts)
        self._no_row, self._no_class, self._deeper = _Odd(), _Odd(), _Odd()
        self._class_folders: set[str] = set()
        self._images = ListedImages({one.name: array("i") for one in fields})
        self._found = np.zeros(0 if rows is None else len(rows.path), np.bool_)

    def read(self) -> ListedImages:
        # Tables often name the file alone, where images lie in folders by class or camera.
        by_name = self._rows is not None and self._rows.are_names and self._are_in_folders()
        last = ""
        for path, entry, root, fold in self._files():
            name = path.rpartition("/")[2] if by_name else path
            row = None if self._rows is None else self._rows.row(name)
            if not is_image(path) or (self._rows is not None and row is None):
                self._skip(path, row)
                continue
            key = nfc(path)
            if by_name and row is not None and self._found[row]:
                raise UserError(
                    f"{self._where}: two images are called {name!a}, one of them {path!a}; write their"
                    f" folders in column {self._file.image} of {self._file.table}, too"
                )
            if key == last or (row is not None and self._found[row]):
                raise UserError(
                    f"{self._where}: {path!a} has the name of another file, except for blanks around it"
                    " or composed and decomposed letters (NFC, NFD); delete or rename one of the two"
                )
            last = key
            if row is not None:
                self._found[row] = True
            if is_readable(self._where, path, self._faults):
                self._add(path, key, entry, root, fold, row)
        self._report()
        return self._images

    def _are_in_folders(self) -> bool:
        """Whether the image folder holds no image itself."""
        entries = self._data.list(self._file.images)
        return not any(entry.is_file and is_image(entry.name) for entry in entries)

    def _files(self) -> Iterator[tuple[str, Entry, str, int | None]]:
        """(path below the image folder, entry, root, given fold or None), by the NFC form of path."""
        file = self._file
        # Images to predict are no training images, wherever their folder lies.
        without = file.eval.images if file.eval and file.eval.images != file.images else None
        for root, fold in sorted(file.roots, key=lambda one: nfc(one[0]) + "/"):
            place = below(file.images, root)
            for path, entry in walk(self._data, place, without):
                if path.partition("/")[0] not in file.without:
                    yield below(root, path), entry, root, fold

    def _add(
        self, path: str, key: str, entry: Entry, root: str, fold: int | None, row: int | None
    ) -> None:
        codes = self._codes(key, root, row)
        if codes is None:
            return
        images = self._images
        images.path.append(path)
        images.size_bytes.append(entry.size_bytes)
        images.mtime_ns.append(entry.mtime_ns)
        images.root_fold.append(-1 if fold is None else fold)
        for one, code in zip(self._fields, codes, strict=True):
            images.codes[one.name].append(code)
            if one.name == "group":
                images.group_digest.append(self._group_digest(one, key, root, row))
        if self._by_folder:
            in_root = key.removeprefix(f"{root}/") if root else key
            self._class_folders.add(below(root, in_root.partition("/")[0]))
            if in_root.count("/") > 1:
                self._deeper.add(path)

    def _codes(self, key: str, root: str, row: int | None) -> list[int] | None:
        """Codes of an image's fields; None for one that has no class, or a fault."""
        codes = []
        for one in self._fields:
            if row is not None and self._rows is not None and one.name in self._rows.codes:
                codes.append(self._rows.codes[one.name][row])
                continue
            raw = in_path(one.source, key, root)
            at = below(self._file.images, key)
            if raw is not None:
                codes.append(one.code(raw, at, self._faults))
            elif one.source.kind == "folder":
                self._no_class.add(key)
                return None
            else:
                text = f"{one.name}: the expression {one.source.text!r} does not match this path"
                self._faults.add(at, text + "; it must match the path of every image")
                return None
        return None if -1 in codes else codes

    def _group_digest(self, group: Field, key: str, root: str, row: int | None) -> int:
        if row is not None and self._rows is not None and group.name in self._rows.codes:
            return self._rows.group_digest[row]
        return group_digest(in_path(group.source, key, root) or "")

    def _skip(self, path: str, row: int | None) -> None:
        """A file that is no image of the task: counted, but for what is known to be none."""
        shown = below(self._file.images, path)
        if row is not None and self._rows is not None:
            extension = split_extension(path)[1] or "no extension"
            self._images.missing[self._rows.path[row]] = f"images with {extension} are not read"
            self._findings.skip_unread(shown)
        elif is_junk(path.rpartition("/")[2]):
            self._findings.skip_hidden(shown)
        elif is_image(path):
            self._no_row.add(path)
        # Tables and the task file, beside the folders of images.
        elif "/" in shown or split_extension(shown)[1] not in (".csv", ".toml"):
            self._findings.skip_unread(shown)

    def _report_empty(self, root: str) -> None:
        place = below(self._file.images, root)
        without = None if self._file.eval is None else self._file.eval.images
        for entry in self._data.list(place):
            is_folder = not entry.is_file and not is_junk(entry.name)
            folder, key = below(place, entry.name), nfc(below(root, entry.name))
            apart = folder == without or entry.name in self._file.without
            if is_folder and not apart and key not in self._class_folders:
                self._findings.add("empty_class", folder, "no image in it is read; it is not used")

    def _report(self) -> None:
        findings, where = self._findings, self._where
        if self._by_folder and self._rows is None:
            for root, _ in self._file.roots:
                self._report_empty(root)
        if self._file.without:
            text = "folders that divide images are no classes, not used: "
            findings.add("no_class", where, text + ", ".join(sorted(self._file.without)))
        if self._rows is not None:
            self._report_missing(self._rows, np.flatnonzero(~self._found))
        # Of one folder for all, the others are those of [eval].
        if self._file.eval is None or self._file.eval.images != self._file.images:
            text = f"images without a row in {self._file.table}, not used"
            self._no_row.report(findings, "no_row", where, text)
        self._no_class.report(
            findings, "no_class", where, "images outside of the classes' folders, not used"
        )
        self._deeper.report(
            findings, "deeper_folders", where,
            "images in deeper folders; each counts for its folder of the first level",
        )  # fmt: skip
        if not self._images.size_bytes:
            self._faults.raise_if_any()  # they may be the reason, and say more
            there = "".join(f"; {one.text}" for one in findings.collected())
            raise UserError(
                f"{where}: no image of the task found ({', '.join(IMAGE_EXTENSIONS)}){there}"
            )

    def _report_missing(self, rows: ImageRows, places: npt.NDArray[Any]) -> None:
        missing = self._images.missing
        for row in places:
            missing.setdefault(rows.path[row], f"not in {self._where}")
        if not len(places):
            return
        text = rows.missing_text(places.tolist(), self._file.images)
        # A few are like images that cannot be decoded; more than half mean a wrong folder.
        if 2 * len(places) > len(rows.path):
            self._faults.raise_if_any()
            there = f" (images there: {some(self._no_row.first)})" if self._no_row.num else ""
            unread = [reason for reason in missing.values() if reason.startswith("images with")]
            raise UserError(
                f"{rows.where}: {text}{there}; {unread[0] + ', convert them' if unread else 'add them'},"
                " correct the names, or name their folder and extension in task.toml (keys images and"
                " suffix)"
            )
        self._findings.add("no_images", rows.where, f"images {text}; these rows are not used")
