"""Fields: the values that images have (parts, group, fold), as text from a CSV's row or from a path.

A field keeps each distinct value once, and images refer to it by its code: a Python string for each
image would hold ten times as much.
"""

import re
from collections.abc import Callable, Mapping

from maskcls.core.hashing import digest_of_name
from maskcls.core.names import nfc, some, split_extension
from maskcls.data.findings import Faults
from maskcls.data.task_file import PartFile, Source

_NEVER, _VAL = ("", "-1", "train"), ("val", "valid", "validation")


class Field:
    """One value of each image; values: the distinct ones so far, a value's place is its code."""

    def __init__(self, name: str, source: Source, check: Callable[[str], str]) -> None:
        """name: for messages. check: raw text -> value; ValueError with what is wrong."""
        self.name, self.source, self._check = name, source, check
        self.values: list[str] = []
        self._code_of: dict[str, int] = {}
        self._code_of_raw: dict[str, int] = {}

    def code(self, raw: str, at: str, faults: Faults) -> int:
        """Code of the value that a text means; -1 for none, which is then among the faults."""
        code = self._code_of_raw.get(raw)
        if code is not None:
            return code
        try:
            value = self._check(nfc(raw.strip()))
        except ValueError as error:
            faults.add(at, str(error))
            return -1
        code = self._code_of.setdefault(value, len(self.values))
        if code == len(self.values):
            self.values.append(value)
        self._code_of_raw[raw] = code
        return code


def part_field(part: PartFile) -> Field:
    """The field of a part: what `of` maps, and only `values` where the task names them."""
    of = {nfc(raw): nfc(value) for raw, value in part.of.items()}
    values = tuple(map(nfc, part.values))
    what = part.source.text if part.source.kind == "column" else part.name

    def check(raw: str) -> str:
        value = of.get(raw, raw)
        if not value:
            raise ValueError(f"{what} is empty; write the value, or delete the row")
        if values and value not in values:
            raise ValueError(
                f"{what} {raw!r} is none of the values {some(values)}; correct it, or add it to"
                f" values of part {part.name}"
            )
        return value

    return Field(part.name, part.source, check)


def group_field(source: Source) -> Field:
    """The field of the group: any text."""

    def check(raw: str) -> str:
        if not raw:
            raise ValueError(
                "the group is empty; name it (an image that belongs to no other may have its own"
                " name as the group)"
            )
        return raw

    return Field("group", source, check)


def fold_field(source: Source) -> Field:
    """The field of the given fold: "-1" (also blank, "train") for never held out; "val" is 0."""

    def check(raw: str) -> str:
        if raw.lower() in _NEVER:
            return "-1"
        if raw.lower() in _VAL:
            return "0"
        if not (raw.isascii() and raw.isdigit() and len(raw) <= 4):
            raise ValueError(
                f"fold {raw!r} is no whole number from 0; write the fold that holds the image out, or"
                " leave it blank for an image that is never held out"
            )
        return str(int(raw))

    return Field("fold", source, check)


def in_path(source: Source, path: str, root: str = "") -> str | None:
    """The raw text of a value that is in an image's path; None where it is not.

    path: NFC, relative to the task's image folder; root: the folder there that holds the classes.
    """
    match source.kind:
        case "stem":
            return split_extension(path.rpartition("/")[2])[0]
        case "folder":
            folder, slash, _ = (path.removeprefix(f"{root}/") if root else path).partition("/")
            return folder if slash else None
        case _:
            found = re.search(source.text, path)
            return found[1] if found else None


def in_row(source: Source, row: Mapping[str, str]) -> str:
    """The raw text of a value in a CSV's row, {column: text}; ValueError for a row not one-hot."""
    if source.kind == "column":
        return row[source.text]
    ones = []
    for name in source.columns:
        number = row[name].strip()
        if number not in ("0", "1", "0.0", "1.0"):
            raise ValueError(f"{name} is {row[name]!r}; of the columns {', '.join(source.columns)}"
                             " exactly one is 1 in each row, the others 0")  # fmt: skip
        if number.startswith("1"):
            ones.append(name)
    if len(ones) != 1:
        what = f"{' and '.join(ones)} are 1" if ones else "none of them is 1"
        raise ValueError(
            f"{what}, of the columns {', '.join(source.columns)}; one label an image is supported:"
            " exactly one of them is 1"
        )
    return ones[0]


def group_digest(raw: str) -> int:
    """Digest of a group by the text that names it, before it has a code: an uint64."""
    return digest_of_name(raw.strip())


def columns_of(*sources: Source | None) -> tuple[str, ...]:
    """The CSV columns that sources need, each once."""
    names: list[str] = []
    for source in sources:
        if source is not None:
            names += [source.text] if source.kind == "column" else source.columns
    return tuple(dict.fromkeys(names))
