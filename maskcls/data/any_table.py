"""Any task but the mask layout: from images and a CSV, or from images alone, to the task and its frames.

A CSV's rows are joined with the images by NFC path. Nothing is opened or decoded.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskcls.core.errors import UserError
from maskcls.core.names import nfc, some
from maskcls.core.task import Task, in_class_order
from maskcls.data.csv_file import text_series
from maskcls.data.eval_list import read_eval
from maskcls.data.fields import Field, columns_of, fold_field, group_field, part_field
from maskcls.data.findings import Faults, Findings
from maskcls.data.group_checks import check_folds, check_one_each, fold_in_words
from maskcls.data.image_rows import ImageRows, read_rows
from maskcls.data.listed_images import ListedImages, list_task_images
from maskcls.data.task_file import TaskFile
from maskcls.data.what_is_there import is_file
from maskcls.store.folder import Folder

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class AnyTable:
    """The task and its frames, as `Table` describes them; missing: path of each row whose image is not
    there or not read, with the reason."""

    task: Task
    images: pd.DataFrame
    groups: pd.DataFrame
    eval_images: pd.DataFrame | None
    missing: dict[str, str]


def read_any(
    data: Folder, file: TaskFile, faults: Faults, findings: Findings, needs_eval: bool = True
) -> AnyTable:
    """Read the images, labels, groups and given folds that a task file describes.

    needs_eval: whether most images to predict must be there. Raises UserError with a line for each
    fault (the first ten): columns, values, rows, paths, groups in two strata or two given folds, one
    class or too many, no image at all, most images missing. Of CSVs all faults are reported before the
    images are listed.
    """
    if not data.is_dir(file.images):
        raise UserError(
            f"{file.origin}: images = {file.images!r}: no such folder in {data.shown}; correct it"
        )
    parts = [part_field(part) for part in file.parts]
    group = None if file.group is None else group_field(file.group)
    fold = None if file.fold is None else fold_field(file.fold)
    fields = [*parts, *(one for one in (group, fold) if one is not None)]
    rows = None if file.table is None else _read_rows(data, file, fields, faults, findings)
    eval_images = None
    if file.eval is not None:
        # Of one folder for all, the others are training images.
        alone = file.eval.images != file.images
        eval_images = read_eval(data, file.eval, faults, findings, needs_eval, alone)
    faults.raise_if_any()
    listed = list_task_images(data, file, fields, rows, faults, findings)
    faults.raise_if_any()
    task = _task(file, parts, listed)
    _check_answers(file, task)
    codes = {part.name: _codes_in(task, part, listed) for part in parts}
    labels = task.class_of(codes).astype(np.int16)
    _report_unused_classes(task, labels, findings)
    paths = listed.path.series()
    names, of_group = _groups(group, listed, paths)
    folds = _folds(file, fold, listed)
    if folds is not None:
        check_folds(folds, file.table or file.origin, faults)
        if group is not None:
            words = {int(one): fold_in_words(int(one)) for one in np.unique(folds)}
            check_one_each("given folds", folds, words, of_group, names, paths, faults)
    strata = {name: codes[name] for name in task.strata}
    for name, values in strata.items():
        words = dict(enumerate(task.part(name).values))
        check_one_each(f"values of {name}", values, words, of_group, names, paths, faults)
    faults.raise_if_any()
    images = _image_frame(listed, paths, names, of_group, labels, folds)
    groups = _group_frame(names, of_group, strata)
    return AnyTable(task, images, groups, eval_images, listed.missing)


def _read_rows(
    data: Folder, file: TaskFile, fields: Sequence[Field], faults: Faults, findings: Findings
) -> ImageRows:
    # The parser of task files and the finder of tasks see to it.
    assert file.table is not None
    assert file.image is not None
    if not is_file(data, file.table):
        raise UserError(
            f"{file.origin}: table = {file.table!r}: no such file in {data.shown}; correct it"
        )
    return read_rows(
        data.read_bytes(file.table), file.table, file.image, file.suffix,
        [one for one in fields if columns_of(one.source)], faults, findings,
    )  # fmt: skip


def _task(file: TaskFile, parts: Sequence[Field], listed: ListedImages) -> Task:
    """The task, with the values that images have where the task file names none."""
    found = {}
    for part, written in zip(parts, file.parts, strict=True):
        if not written.values:
            used = np.unique(_numbers(listed.codes[part.name]))
            found[part.name] = in_class_order([part.values[code] for code in used])
    return file.task(found)


def _check_answers(file: TaskFile, task: Task) -> None:
    values = task.answers.values
    if values.startswith("probability:"):
        value = nfc(values.removeprefix("probability:"))
        if value not in task.classes:
            raise UserError(
                f"{file.origin}: [answers] values: {value!r} is no class; the classes are"
                f" {some(task.classes)}"
            )


def _codes_in(task: Task, part: Field, listed: ListedImages) -> Codes:
    """Codes of a part as the task has them, int64 [N]; those listed are in the order of appearance."""
    place = {value: code for code, value in enumerate(task.part(part.name).values)}
    # A value of a row without image is in no class; -1 is never looked up.
    new = np.array([place.get(value, -1) for value in part.values], dtype=np.int64)
    return np.asarray(new[_numbers(listed.codes[part.name])], dtype=np.int64)


def _report_unused_classes(task: Task, labels: npt.NDArray[Any], findings: Findings) -> None:
    counts = np.bincount(labels, minlength=task.num_classes)
    # Of a task of several parts, not every combination need occur.
    if len(task.parts) == 1:
        for place in np.flatnonzero(counts == 0):
            text = f"no image of the class {task.classes[place]}; it cannot be learned"
            findings.add("empty_class", "classes", text)


def _groups(
    group: Field | None, listed: ListedImages, paths: "pd.Series[str]"
) -> tuple["pd.Series[str]", npt.NDArray[np.int32]]:
    """Names of the groups, sorted (NFC), and each image's place among them, int32 [N]."""
    if group is None:
        return paths, np.arange(len(paths), dtype=np.int32)
    codes = _numbers(listed.codes["group"])
    order = sorted(np.unique(codes).tolist(), key=group.values.__getitem__)
    place = np.zeros(len(group.values), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    return text_series(group.values[code] for code in order), place[codes]


def _folds(
    file: TaskFile, fold: Field | None, listed: ListedImages
) -> npt.NDArray[np.int16] | None:
    """Given folds, int16 [N]; None where the data gives none."""
    if fold is not None:
        numbers = np.array([int(value) for value in fold.values], dtype=np.int16)
        return np.asarray(numbers[_numbers(listed.codes["fold"])])
    if any(one is not None for _, one in file.roots):
        return np.asarray(_numbers(listed.root_fold), dtype=np.int16)
    return None


def _image_frame(
    listed: ListedImages, paths: "pd.Series[str]", names: "pd.Series[str]",
    of_group: npt.NDArray[np.int32], labels: npt.NDArray[Any], folds: npt.NDArray[np.int16] | None,
) -> pd.DataFrame:  # fmt: skip
    columns = {
        "path": paths,
        # The row number in `groups` is the code of the category.
        "group": pd.Categorical.from_codes(of_group, dtype=pd.CategoricalDtype(pd.Index(names))),
        "label": labels,
        "size_bytes": _numbers(listed.size_bytes),
        "mtime_ns": _numbers(listed.mtime_ns),
    }
    if folds is not None:
        columns["fold"] = folds
    if len(listed.group_digest):
        columns["group_digest"] = _numbers(listed.group_digest)
    # pandas would gather the columns into blocks, with all in memory twice.
    return pd.DataFrame(columns, copy=False)


def _group_frame(
    names: "pd.Series[str]", of_group: npt.NDArray[np.int32], strata: Mapping[str, Codes]
) -> pd.DataFrame:
    num_images = np.bincount(of_group, minlength=len(names)).astype(np.int32)
    columns: dict[str, Any] = {"group": names, "num_images": num_images}
    for name, codes in strata.items():
        columns[name] = np.zeros(len(names), np.int16)
        columns[name][of_group] = codes
    return pd.DataFrame(columns, copy=False)


def _numbers(values: "array[int]") -> npt.NDArray[Any]:
    """The array's memory as NumPy, without a copy."""
    return np.frombuffer(values, dtype=values.typecode)
