"""A proposal for a CSV of any columns: which names the images, which may be the label or the group."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import median

from maskcls.core.errors import UserError
from maskcls.core.names import IMAGE_EXTENSIONS, nfc
from maskcls.core.task import MAX_CLASSES, in_class_order
from maskcls.data.columns import Column, read_columns
from maskcls.data.image_rows import is_inside, with_suffix
from maskcls.data.task_file import RESERVED
from maskcls.data.task_text import TaskText
from maskcls.data.walk import below
from maskcls.data.what_is_there import Holdings, are_amounts, is_file, several_labels
from maskcls.store.folder import Folder

_LIKELY = ("label", "target", "class", "category", "species", "breed", "diagnosis", "y")
"""Names of columns that are labels more often than others, the likeliest first."""
_SAMPLE = "sample_submission.csv"
_NUM_SAMPLE = 20


@dataclass(frozen=True)
class _Place:
    """Where a CSV's images lie: its column, the folder, and the suffix of the names."""

    image: str
    folder: str
    suffix: str


def propose_for_table(data: Folder, name: str, found: Holdings) -> str | None:
    """The text for a CSV in DATA; None where no column names images.

    Raises UserError when there is such a column, and none that may be the label.
    """
    columns = read_columns(data.read_bytes(name), f"{data.shown}/{name}")
    place = _place_of(data, found, columns)
    if place is None:
        return None
    # "stem" and "folder" mean no columns in a task file.
    others = [c for c in columns if c.name not in (place.image, "stem", "folder")]
    groups = [column for column in others if _may_be_group(column)]
    hot = _one_hot(others)
    labels = [c for c in others if c not in groups and _may_be_label(c)]
    labels.sort(key=_likelihood)
    if not labels and not hot:
        raise UserError(
            f"{data.shown}/{name}: no column has 2 to {MAX_CLASSES:,} different values that may be"
            f" classes; it has {', '.join(column.name for column in columns)}"
        )
    text = TaskText()
    text.table("[task]")
    text.add("images", place.folder, f"the images of column {place.image} lie here")
    text.add("table", name, "a row describes an image")
    text.add("image", place.image, "its values exist as files")
    if place.suffix:
        text.add("suffix", place.suffix, "the names have no extension, the files have")
    for number, column in enumerate(groups):
        text.add("group", column.name, _sizes(column), active=number == 0)
    if not groups:
        text.add("group", "...", "a column, if several images show one thing", active=False)
    test, answers = _test(data, place, found), TaskText()
    classes = list(hot) or list(labels[0].counts)
    metric = _answers(data, answers, classes)
    text.add("metric", metric, "ranks epochs, trials and runs; macro_f1 counts classes equally")
    _add_parts(text, labels, hot)
    if test:
        text.table("[eval]")
        for key, value, why in test:
            text.add(key, value, why)
    text.append(answers)
    return text.text()


def _add_parts(text: TaskText, labels: Sequence[Column], hot: Sequence[str]) -> None:
    if hot:
        text.table("[[part]]")
        text.add("name", "label", "what is learned")
        text.add("from", hot, "exactly one of these columns is 1 in each row")
    for number, column in enumerate(labels):
        active = number == 0 and not hot
        text.table("[[part]]", active)
        name = "label" if column.name in RESERVED else column.name
        text.add("name", name, "what is learned, if it is this column", active)
        why = f"a column of {column.num_values:,} values{several_in_words(column)}"
        text.add("from", column.name, why, active)
        if column.num_values <= 20:
            order = in_class_order(list(column.counts))
            text.add("values", order, "the order of the classes; left out: those found", active)


def several_in_words(column: Column) -> str:
    """What to add about a column whose cells seem to hold several labels; "" for others."""
    cell = several_labels(list(column.counts))
    if cell is None:
        return ""
    return (
        f"; it seems to hold several labels an image ({cell!r}), which is not supported: each"
        " combination is a class of its own"
    )


def _may_be_group(column: Column) -> bool:
    is_label = re.match(f"(?i)({'|'.join(_LIKELY[:-1])})", column.name)
    is_id = re.search("(?i)id$", column.name)
    return bool(is_id and not is_label and 1 < column.num_values < column.num_rows)


def _may_be_label(column: Column) -> bool:
    # A value for every row, or empty cells, are of a name or a remark.
    return (
        2 <= column.num_values <= min(MAX_CLASSES, column.num_rows // 2 + 1)
        and not column.num_empty
        and not are_amounts(list(column.counts), MAX_CLASSES)
    )


def _likelihood(column: Column) -> int:
    # "category_id" is one, too.
    name = re.sub("_?(id|name)$", "", column.name.lower())
    # Of others the last: tables put what is to be predicted at their end.
    return _LIKELY.index(name) if name in _LIKELY else len(_LIKELY) + 1000 - column.place


def _one_hot(columns: Sequence[Column]) -> list[str]:
    """Columns of 0 and 1 whose ones make up one for each row; [] for none."""
    flags = [c for c in columns if set(c.counts) == {"0", "1"} and not c.num_empty]
    rows = zip(*(column.sample for column in flags), strict=True)
    is_hot = len(flags) >= 2 and all(row.count("1") == 1 for row in rows)
    return [column.name for column in flags] if is_hot else []


def _sizes(column: Column) -> str:
    sizes = sorted(column.counts.values())
    return (
        f"{column.num_values:,} groups of {median(sizes):g} images (median), the largest {sizes[-1]:,};"
        " they stay on one side of each split"
    )


def _test(data: Folder, place: _Place, found: Holdings) -> list[tuple[str, str, str]]:
    """Keys of [eval] with their reasons; none without a folder or a table of test images."""
    folders = [f for f in found.images_in if "test" in f.lower() and f != place.folder]
    lines = [("images", f, "images to predict: the folder is called so") for f in folders[:1]]
    if is_file(data, "test.csv"):
        columns = read_columns(data.read_bytes("test.csv"), f"{data.shown}/test.csv")
        if place.image in (column.name for column in columns):
            lines = lines or [("images", place.folder, "images to predict: with the others")]
            lines.append(("table", "test.csv", "a row for each of them"))
            lines.append(("image", place.image, "the column that names it"))
    return lines


def _answers(data: Folder, text: TaskText, classes: Sequence[str]) -> str:
    """Add [answers] from a sample submission; returns the metric that its form suggests."""
    if not is_file(data, _SAMPLE):
        return "macro_f1"
    columns = read_columns(data.read_bytes(_SAMPLE), f"{data.shown}/{_SAMPLE}")
    header = [column.name for column in columns]
    if len(header) < 2:
        return "macro_f1"
    text.table("[answers]")
    text.add("columns", header, f"the header of {_SAMPLE}")
    text.add("like", _SAMPLE, "rows and their order are as in it")
    if set(map(nfc, header[1:])) == set(map(nfc, classes)):
        text.add("values", "probabilities", "a column for each class")
        return "log_loss"
    given = set(columns[1].counts)
    if len(classes) == 2 and not given & (set(classes) - {"0", "1"}):
        value = in_class_order(classes)[-1]
        text.add("values", f"probability:{value}", "or value, for the class itself")
        return "auc"
    text.add("values", "value", "the class's name")
    return "macro_f1"


def _place_of(data: Folder, found: Holdings, columns: Sequence[Column]) -> _Place | None:
    """The column whose values exist as files, by a sample; None without one."""
    parents = [folder.rpartition("/")[0] for folder in found.images_in]
    folders = list(dict.fromkeys(["", *found.images_in, *parents]))
    # Names as they are first, and columns of many values first: "1" may be a class and "1.jpg" a file.
    by_values = sorted(columns, key=lambda column: -column.num_values)
    for suffix, column in product(("", *IMAGE_EXTENSIONS), by_values):
        step = max(1, len(column.sample) // _NUM_SAMPLE)
        sample = [text for text in column.sample[::step] if is_inside(text)][:_NUM_SAMPLE]
        names = [with_suffix(name, suffix) for name in sample]
        counts = {folder: _num_files(data, folder, names) for folder in folders}
        best = max(counts, key=lambda one: counts[one])
        if counts[best]:
            return _Place(column.name, _around(best, counts), suffix)
    return None


def _num_files(data: Folder, folder: str, names: Sequence[str]) -> int:
    # A value may be the name of a folder: that of a class.
    paths = [below(folder, name) for name in names]
    return sum(data.exists(path) and not data.is_dir(path) for path in paths)


def _around(best: str, counts: Mapping[str, int]) -> str:
    """The folder that holds the images: its parent, where its neighbours hold some of them, too."""
    parent = best.rpartition("/")[0]
    beside = [one for one in counts if one and one.rpartition("/")[0] == parent and counts[one]]
    return parent if len(beside) > 1 else best
