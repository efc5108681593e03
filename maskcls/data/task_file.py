"""A task as written: DATA/task.toml, a built-in task, or what a layout implies, in one form.

Says where in DATA the images are, where each value of a row comes from, and what the task is. Reading
the data (data/table.py) turns it into a `Task`, whose classes are then known. docs/tasks.md describes
the file's keys.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal, get_args

from maskcls.core.errors import UserError
from maskcls.core.metrics import KEYS_BESIDE_PARTS
from maskcls.core.names import nfc
from maskcls.core.task import MAX_CLASSES, Answers, MetricName, Part, Places, Task
from maskcls.data.mask_copy import faults_of_copy
from maskcls.data.task_toml import KEYS, nearest, read_table
from maskcls.data.task_toml import Source as Source  # part of a task as written, for its users, too
from maskcls.data.toml_lines import KeyPath, key_lines, line_of

BUILT_IN = ("mask",)
TASK_FILE = "task.toml"
RESERVED = KEYS_BESIDE_PARTS | {
    "image", "path", "group", "fold", "repeat", "num_images", "by_group", "logits", "fault",
}  # fmt: skip
"""Columns and keys of a run's files, beside those that parts and strata have by their names."""


@dataclass(frozen=True)
class PartFile:
    """A part as written; values: () for those found in the data; of: raw text -> value."""

    name: str
    source: Source
    values: tuple[str, ...] = ()
    of: dict[str, str] = field(default_factory=dict)
    borders: tuple[int, ...] = ()
    numbers: tuple[int, int] | None = None
    scale: tuple[float, float] | None = None


@dataclass(frozen=True)
class EvalFile:
    """Images to predict: folder in DATA; table and image: the CSV and its column, None for all images
    of the folder."""

    images: str
    table: str | None = None
    image: str | None = None
    suffix: str = ""
    group: Source | None = None


@dataclass(frozen=True)
class TaskFile:
    """A task as written.

    origin: for messages, such as "flowers/task.toml". how: for the line that says which task it is,
    such as "folders as classes (train/)". images: folder in DATA, "" for DATA itself; image paths are
    relative to it. table: CSV in DATA, None where values come from paths alone. row: whether a row
    describes an image, or a folder of images. image: the column that names it. suffix: added to a name
    without extension. group, fold: None for none. roots: where values come from folders, the folders of
    `images` that hold the classes' folders ("" for itself), each with its given fold (-1: never held
    out), None for none. without: folders of `images` that are no classes, whatever is in them. checks:
    the built-in task whose own reader is used, or None. defaults: preset where none is named.
    """

    origin: str
    how: str
    name: str
    images: str
    parts: tuple[PartFile, ...]
    table: str | None = None
    row: Literal["image", "folder"] = "image"
    image: str | None = None
    suffix: str = ""
    group: Source | None = None
    fold: Source | None = None
    roots: tuple[tuple[str, int | None], ...] = (("", None),)
    without: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()
    metric: MetricName = "macro_f1"
    also: tuple[MetricName, ...] = ("accuracy",)
    absent: Literal["zero", "skip"] = "skip"
    checks: str | None = None
    defaults: str = "plain"
    eval: EvalFile | None = None
    answers: Answers = field(default_factory=Answers)

    def places(self, probe: str = "") -> Places:
        """Where the images are; probe: a file in DATA, needed where no table is one."""
        return Places(self.images, self.eval.images if self.eval else None, self.table or probe)

    def task(self, values: Mapping[str, tuple[str, ...]] | None = None) -> Task:
        """The task; values: of each part whose values are those found in the data.

        Raises UserError for fewer than two classes, and for more than MAX_CLASSES.
        """
        found = values or {}
        parts = tuple(
            Part(p.name, p.values or found[p.name], p.borders, p.numbers, p.scale)
            for p in self.parts
        )
        # A row of the mask task is a person's folder, and what names that does not name it for an image.
        group = "" if self.group is None or self.row == "folder" else self.group.written
        task = Task(
            self.name, parts, self.metric, self.also, self.absent, self.strata,
            self.group is not None, group, self.answers, self.places(),
        )  # fmt: skip
        count = 1
        for size in task.sizes:
            count *= size
        if count < 2:
            only = ", ".join(value for part in parts for value in part.values) or "none"
            raise UserError(
                f"{self.origin}: only one class ({only}); a classifier needs two or more classes"
            )
        if count > MAX_CLASSES:
            raise UserError(
                f"{self.origin}: {count:,} classes; at most {MAX_CLASSES:,} are supported, since every"
                " row stores a logit for each. Merge rare classes, or leave them out"
            )
        return task


def built_in(name: str) -> TaskFile:
    """A built-in task."""
    text = resources.files("maskcls.tasks").joinpath(f"{name}.toml").read_text("utf-8")
    return parse_task(text.encode(), f"built-in task {name}", f"the built-in task {name}")


def built_in_text(name: str) -> str:
    """The text of a built-in task's file, to be copied to DATA/task.toml."""
    return resources.files("maskcls.tasks").joinpath(f"{name}.toml").read_text("utf-8")


def parse_task(content: bytes, origin: str, how: str | None = None) -> TaskFile:
    """Read a task file; origin: its name in messages; how: see TaskFile, by default the origin.

    Raises UserError with a line for each fault: not TOML, unknown keys (with the nearest known one),
    values of a wrong kind, contradictions between keys.
    """
    try:
        text = content.decode("utf-8-sig")
        tree = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise UserError(f"{origin}: not a TOML file: {e}") from e
    return _Reader(origin, how or origin, text).read(tree)


class _Reader:
    """Reads one file; collects all faults before it refuses."""

    def __init__(self, origin: str, how: str, text: str) -> None:
        self._origin, self._how, self._text = origin, how, text
        self._faults: list[tuple[str, KeyPath]] = []

    def read(self, tree: Mapping[str, Any]) -> TaskFile:
        for name in tree:
            if name not in KEYS:
                self._fault(f"[{name}]: no such table{nearest(name, KEYS)}", name)
        task = self._read("task", tree.get("task"), "task")
        parts = tree.get("part", [])
        if not isinstance(parts, list) or not parts:
            self._fault("needs one [[part]] or more, which says what the label is", "part")
            parts = []
        tables = [self._read("part", part, "part", k) for k, part in enumerate(parts)]
        evals = self._read("eval", tree["eval"], "eval") if "eval" in tree else None
        answers = self._read("answers", tree["answers"], "answers") if "answers" in tree else {}
        self._raise_if_any()
        found = TaskFile(
            origin=self._origin,
            how=self._how,
            name=task.get("name", "task"),
            images=self._inside("task", "images", task),
            parts=tuple(self._part(k, table) for k, table in enumerate(tables)),
            table=self._inside("task", "table", task) or None,
            row=self._choice(task, "row", ("image", "folder"), "image"),
            image=task.get("image"),
            suffix=task.get("suffix", ""),
            group=task.get("group"),
            fold=task.get("fold"),
            strata=task.get("strata", ()),
            metric=self._choice(task, "metric", get_args(MetricName), "macro_f1"),
            also=self._metrics(task.get("also", ("accuracy",))),
            absent=self._choice(task, "absent", ("zero", "skip"), "skip"),
            checks=self._choice(task, "checks", BUILT_IN, None),
            defaults=task.get("defaults", "plain"),
            eval=None if evals is None else self._eval(evals, task),
            answers=self._answers(answers, task, evals),
        )
        self._check(found)
        self._raise_if_any()
        return found

    def _read(self, name: str, table: Any, *at: str | int) -> dict[str, Any]:
        found, faults = read_table(name, table)
        for key, text in faults:
            self._fault(text, *at, *([key] if key else []))
        return found

    def _part(self, number: int, table: Mapping[str, Any]) -> PartFile:
        at = ("part", number)
        name, values = table["name"], table.get("values", ())
        borders, numbers = table.get("borders", ()), table.get("numbers")
        if not name.strip():
            self._fault("[[part]] name is empty; give the part a name", *at, "name")
        if len(set(values)) < len(values):
            self._fault(f"part {name}: values has one of them twice", *at, "values")
        if not all(value.strip() for value in values):
            self._fault(f"part {name}: values has an empty name; name every value", *at, "values")
        if borders and (list(borders) != sorted(set(borders)) or len(borders) != len(values) - 1):
            self._fault(
                f"part {name}: borders must rise, one fewer than values: the first number of each"
                " value after the first",
                *at,
                "borders",
            )
        if numbers is not None and len(numbers) != 2:
            self._fault(
                f"part {name}: numbers is the smallest and the largest number", *at, "numbers"
            )
            numbers = None
        scale = table.get("scale")
        if scale is not None and len(scale) != 2:
            self._fault(f"part {name}: scale is the mean and the standard deviation", *at, "scale")
            scale = None
        for raw, value in table.get("of", {}).items():
            if values and value not in values:
                self._fault(
                    f"part {name}: of names {value!r} (for {raw!r}), which is not in values",
                    *at,
                    "of",
                    raw,
                )
        # Composed, as are the values that are read: a class is one whoever wrote its name.
        of = {nfc(raw): nfc(value) for raw, value in table.get("of", {}).items()}
        values = tuple(map(nfc, values))
        return PartFile(name, table["from"], values, of, borders, numbers, scale)

    def _inside(self, name: str, key: str, table: Mapping[str, Any]) -> str:
        """A key's path within DATA, without "./" and "/" around it; "" for DATA itself and for none."""
        text = table.get(key, "")
        parts = [part for part in text.split("/") if part not in ("", ".")]
        if text.startswith("/") or ".." in parts or "\\" in text or "\0" in text:
            self._fault(
                f"[{name}] {key} = {text!r}: not a path within DATA; write it relative to it, with '/'",
                name, key,
            )  # fmt: skip
        return "/".join(parts)

    def _eval(self, table: Mapping[str, Any], task: Mapping[str, Any]) -> EvalFile:
        if "table" in table and "image" not in table:
            self._fault(
                "[eval] table needs the key image: the column that names the image", "eval", "table"
            )
        return EvalFile(
            self._inside("eval", "images", table),
            self._inside("eval", "table", table) or None,
            table.get("image"),
            table.get("suffix", task.get("suffix", "")),
            table.get("group"),
        )

    def _answers(
        self, table: Mapping[str, Any], task: Mapping[str, Any], evals: Mapping[str, Any] | None
    ) -> Answers:
        image = (evals or {}).get("image") or task.get("image") or "image"
        values = table.get("values", "value")
        if values not in ("value", "class", "probabilities") and not (
            values.startswith("probability:") and values != "probability:"
        ):
            self._fault(
                f"[answers] values = {values!r}: expected value, class, probability:VALUE or"
                " probabilities",
                "answers", "values",
            )  # fmt: skip
        columns = table.get("columns", (image, "label"))
        if len(columns) < 2 and values != "probabilities":
            self._fault(
                "[answers] columns: the image's column, then the answer's", "answers", "columns"
            )
        if len(set(columns)) < len(columns):
            self._fault("[answers] columns has one of them twice", "answers", "columns")
        return Answers(tuple(columns), values, self._inside("answers", "like", table) or None)

    def _metrics(self, names: tuple[str, ...]) -> Any:
        for name in names:
            if name not in get_args(MetricName):
                known = get_args(MetricName)
                self._fault(
                    f"[task] also: {name!r} is no metric{nearest(name, known)}", "task", "also"
                )
        return names

    def _choice(self, table: Mapping[str, Any], key: str, known: Any, default: Any) -> Any:
        value = table.get(key, default)
        if value is not default and value not in known:
            self._fault(
                f"[task] {key} = {value!r}: expected one of {', '.join(known)}", "task", key
            )
        return value

    def _check(self, found: TaskFile) -> None:
        names = [part.name for part in found.parts]
        if len(set(names)) < len(names):
            double = next(k for k, name in enumerate(names) if name in names[:k])
            self._fault("two parts have the same name", "part", double, "name")
        if len(set(found.strata)) < len(found.strata):
            self._fault("[task] strata has one of them twice", "task", "strata")
        for k, name in enumerate(names):
            if name in RESERVED:
                self._fault(
                    f"part {name}: files of a run have a column or key of this name; choose another",
                    "part", k, "name",
                )  # fmt: skip
        if len(names) > 1 and "quadratic_kappa" in (found.metric, *found.also):
            self._fault(
                "quadratic_kappa needs ordered classes, and a label of several parts has none",
                "task", "metric" if found.metric == "quadratic_kappa" else "also",
            )  # fmt: skip
        for name in found.strata:
            if name not in names:
                self._fault(
                    f"[task] strata: {name!r} is no part; there are {', '.join(names)}",
                    "task", "strata",
                )  # fmt: skip
        if found.table is not None and found.image is None:
            self._fault(
                "[task] table needs the key image: the column that names the image", "task", "table"
            )
        if found.row == "folder" and found.checks is None:
            self._fault(
                '[task] row = "folder" belongs to checks = "mask"; make a row for each image',
                "task", "row",
            )  # fmt: skip
        if found.checks == "mask":
            if names != ["mask", "gender", "age"] or not found.parts[2].borders:
                self._fault(
                    '[task] checks = "mask" needs the parts mask, gender and age with borders',
                    "task", "checks",
                )  # fmt: skip
            else:
                for at, text in faults_of_copy(found):
                    self._fault(text, *at)
        self._check_sources(found)
        for k, part in enumerate(found.parts):
            if part.borders and found.checks != "mask":
                self._fault(
                    f'part {part.name}: borders belong to checks = "mask"; name the values instead',
                    "part", k, "borders",
                )  # fmt: skip

    def _check_sources(self, found: TaskFile) -> None:
        """Whether each value comes from where there is one."""
        sources: list[tuple[Source | None, KeyPath]]
        sources = [(part.source, ("part", k, "from")) for k, part in enumerate(found.parts)]
        for source, at in [
            *sources,
            (found.group, ("task", "group")),
            (found.fold, ("task", "fold")),
        ]:
            if source is None:
                continue
            if source.kind == "one_hot" and at[0] == "task":
                self._fault(
                    "[task] group and fold are one column each; a list is for the label of a part",
                    *at,
                )
            elif source.kind == "one_hot" and found.table is None:
                self._fault("a list of columns needs a table, and [task] names none", *at)
            elif source.kind == "column" and found.table is None:
                self._fault(f"{source.text!r} is a column, and [task] names no table", *at)
        source = None if found.eval is None or found.eval.table else found.eval.group
        if source is not None and source.kind in ("column", "one_hot"):
            self._fault("[eval] group is a column, and [eval] names no table", "eval", "group")

    def _fault(self, text: str, *at: str | int) -> None:
        """at: the key in the file, from the top; none for a fault of the whole."""
        self._faults.append((text, at))

    def _raise_if_any(self) -> None:
        if not self._faults:
            return
        lines = key_lines(self._text)
        texts = []
        for text, at in self._faults[:10]:
            line = line_of(lines, at)
            texts.append(f"{self._origin}{'' if line is None else f' line {line}'}: {text}")
        raise UserError("\n".join(texts))
