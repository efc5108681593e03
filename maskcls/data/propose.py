"""A first task.toml for a data folder, each line of which says why it is there.

It may guess, since a person reads what it writes before anything runs; a run never guesses.
"""

import re
from collections import Counter

from maskcls.core.errors import UserError
from maskcls.core.names import some
from maskcls.core.task import MAX_CLASSES, in_class_order
from maskcls.data.columns import read_columns
from maskcls.data.find_task import TABLES, implied_task, is_mask_layout
from maskcls.data.proposed_table import propose_for_table, several_in_words
from maskcls.data.task_file import TaskFile, built_in_text
from maskcls.data.task_text import TaskText
from maskcls.data.walk import below, is_image
from maskcls.data.what_is_there import Holdings, folders_in, has_images, look_into, not_supported
from maskcls.store.folder import Folder


def propose(data: Folder) -> str:
    """The text of a first DATA/task.toml, for a folder with or without one; nothing is written.

    Raises UserError when the folder holds no images, or labels are in no form that is known.
    """
    if is_mask_layout(data):
        return built_in_text("mask")
    try:
        return _of_layout(data, implied_task(data))
    except UserError as error:
        refusal = error
    found = look_into(data)
    if sentence := not_supported(data, found):
        raise UserError(f"{data.shown}: {sentence}")
    if not found.images_in:
        raise refusal
    for name in _tables(data):
        if (text := propose_for_table(data, name, found)) is not None:
            return text
    return _of_names(data, found, refusal)


def _tables(data: Folder) -> list[str]:
    """CSVs in DATA that may be about the training images, the usual names first."""
    names = [e.name for e in data.list() if e.is_file and e.name.lower().endswith(".csv")]
    others = [n for n in names if n not in TABLES and not re.match("(?i)test|.*submission", n)]
    return [name for name in TABLES if name in names] + others


def _of_layout(data: Folder, file: TaskFile) -> str:
    """The task that a known layout implies, written out."""
    text = TaskText()
    text.table("[task]")
    text.add("images", file.images, f"this is {file.how}")
    if file.table is not None:
        text.add("table", file.table, "a row describes an image")
        text.add("image", file.image or "", "the column that names it")
    if file.suffix:
        text.add("suffix", file.suffix, "the names have no extension")
    if file.group is not None:
        text.add("group", file.group.text, "images of one group stay on one side of each split")
    else:
        text.add("group", "...", "a column, if several images show one thing", active=False)
    roots = [root for root, _ in file.roots if root]
    if file.fold is not None:
        text.add("fold", file.fold.text, "the fold that holds the image out")
    elif roots:
        pattern = f"path:^({'|'.join(roots)})/"
        text.add("fold", pattern, f"{roots[0]} is never held out, {roots[1]} is fold 0")
    text.add("metric", "macro_f1", "ranks epochs, trials and runs; each class counts the same")
    text.table("[[part]]")
    part = file.parts[0]
    text.add("name", part.name, "what is learned")
    if roots:
        pattern = f"path:^(?:{'|'.join(roots)})/([^/]+)/"
        text.add("from", pattern, "the folder below these is the class")
    elif file.table is None:
        text.add("from", "folder", "the first folder of an image's path is its class")
    else:
        columns = read_columns(data.read_bytes(file.table), file.table)
        (column,) = (one for one in columns if one.name == part.source.text)
        text.add("from", column.name, f"the column with the label{several_in_words(column)}")
    if file.without:
        no_classes = {*file.without, file.eval.images if file.eval else ""}
        others = [f for f in folders_in(data, file.images) if f not in no_classes]
        classes = [one for one in others if has_images(data, below(file.images, one))]
        apart = ", ".join(sorted(file.without))
        # A task file uses all folders: these are refused, as they are in none of the values.
        text.add("values", in_class_order(classes), f"move {apart} out of this folder: no class")
    else:
        text.add("values", ["..."], "the order of the classes; left out: those found", active=False)
    if file.eval is not None:
        text.table("[eval]")
        text.add("images", file.eval.images, "images to predict")
    return text.text()


def _of_names(data: Folder, found: Holdings, refusal: UserError) -> str:
    """A task whose labels are in the names of the files, such as cat.12.jpg."""
    folders = [f for f in found.images_in if "test" not in f.lower()] or list(found.images_in)
    folder = max(folders, key=lambda one: found.images_in[one])
    pattern = re.compile(r"^(?:.*/)?([A-Za-z]+)[._ -]*[0-9]")
    names = [entry.name for entry in data.list(folder) if is_image(entry.name)]
    starts = Counter(match[1] if (match := pattern.match(name)) else "" for name in names)
    if "" in starts or not 2 <= len(starts) <= MAX_CLASSES:
        raise UserError(f"{refusal} (--propose found no labels either)")
    text = TaskText()
    text.table("[task]")
    text.add("images", folder, f"{len(names):,} images lie here")
    text.add("group", "path:...", "if several images show one thing", active=False)
    text.add("metric", "macro_f1", "ranks epochs, trials and runs; each class counts the same")
    text.table("[[part]]")
    text.add("name", "label", "what is learned")
    shown = some([f"{name} ({num:,})" for name, num in starts.most_common()])
    text.add("from", f"path:{pattern.pattern}", f"the names begin with it: {shown}")
    tests = [one for one in found.images_in if "test" in one.lower() and one != folder]
    if tests:
        text.table("[eval]")
        text.add("images", tests[0], "images to predict: the folder is called so")
    return text.text()
