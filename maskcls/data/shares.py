"""A file of class shares, where the user knows how often each class occurs among the eval images."""

import json
import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from maskcls.core.errors import UserError
from maskcls.core.names import nfc, some
from maskcls.core.task import Task
from maskcls.data.csv_file import CsvFile
from maskcls.data.findings import Faults

_TOLERANCE = 0.01


def read_shares(data: bytes, where: str, task: Task) -> npt.NDArray[np.float64]:
    """The share of each class, float64 [K], summing to 1.

    data: CSV with the columns class and share, or JSON: an object of shares by class, or a list of
    all; a class is named by its name or number. where: the file's name, for messages. Raises UserError
    for a class that is missing, unknown or named twice, a share that is no number from 0 to 1, and
    shares that do not sum to 1 (within .01, for rounding).
    """
    is_json = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")
    pairs = _of_json(data, where, task) if is_json else _of_csv(data, where)
    shares = np.full(task.num_classes, np.nan)
    known = {nfc(name): k for k, name in enumerate(task.classes)}
    numbers = {str(k): k for k in range(task.num_classes)}
    for at, name, value in pairs:
        number = known.get(nfc(name), numbers.get(name))
        if number is None:
            raise UserError(f"{at}: {name!r} is none of the classes, which are {_classes(task)}")
        if not np.isnan(shares[number]):
            raise UserError(f"{at}: class {name!r} occurs twice; name each class once")
        shares[number] = _share(at, value)
    missing = [task.classes[k] for k in np.flatnonzero(np.isnan(shares)).tolist()]
    if missing:
        raise UserError(
            f"{where}: no share of {some(missing)}; give one for each class, 0 for none"
        )
    total = float(shares.sum())
    if abs(total - 1) > _TOLERANCE:
        raise UserError(f"{where}: the shares sum to {total:.4g}; they must sum to 1")
    return np.asarray(shares / total)


def _of_csv(data: bytes, where: str) -> list[tuple[str, str, object]]:
    file, faults = CsvFile(data, where), Faults()
    file.need("class", "share")
    rows: Iterable[tuple[int, list[str]]] = file.rows(["class", "share"], faults)
    found: list[tuple[str, str, object]] = [
        (f"{where} line {line}", name.strip(), share) for line, (name, share) in rows
    ]
    faults.raise_if_any()
    return found


def _of_json(data: bytes, where: str, task: Task) -> list[tuple[str, str, object]]:
    try:
        values = json.loads(data.decode("utf-8-sig"))
    except ValueError as error:
        raise UserError(f"{where}: cannot be read as JSON ({error}); correct it") from error
    if isinstance(values, list):
        if len(values) != task.num_classes:
            raise UserError(
                f"{where}: {len(values)} shares; the task has {task.num_classes} classes,"
                f" {_classes(task)}"
            )
        values = dict(zip(task.classes, values, strict=True))
    return [(where, name.strip(), share) for name, share in values.items()]


def _share(at: str, value: object) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        share = float(value)
    except (ValueError, OverflowError):  # a whole number of JSON may have any length
        share = math.nan
    if not 0 <= share <= 1:
        raise UserError(f"{at}: {value!r} is no share; give a number from 0 to 1")
    return share


def _classes(task: Task) -> str:
    return "; ".join(task.classes[:6]) + ("; ..." if task.num_classes > 6 else "")
