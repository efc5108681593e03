"""Folders of classes, DATA/train/CLASS or DATA/CLASS, with a given hold-out and images to predict."""

from collections.abc import Sequence

from maskcls.core.errors import UserError
from maskcls.core.names import nfc, some
from maskcls.data.task_file import TASK_FILE, EvalFile, PartFile, Source, TaskFile
from maskcls.data.walk import below
from maskcls.data.what_is_there import Holdings, folders_in, has_images, look_into, not_supported
from maskcls.store.folder import Folder

TRAIN = ("train",)
HOLD_OUTS = ("val", "valid", "validation")
TEST = ("test",)
_APART = (*TRAIN, *HOLD_OUTS, *TEST, "training", "testing", "eval")
"""Folders of DATA that are no classes: they divide the images, whatever is in them."""


def task_of_folders(data: Folder) -> TaskFile:
    """The task that folders imply; UserError, with what is there and how to go on, if none."""
    top = _classes(data, "")
    trains, held_outs, tests = (_called(top, names) for names in (TRAIN, HOLD_OUTS, TEST))
    base = trains[0] if trains and _classes(data, trains[0]) else ""
    apart = [] if base else _called(top, _APART)
    classes = _classes(data, base) if base else [one for one in top if one not in apart]
    if len(classes) < 2:
        raise UserError(_refuse(data, base, classes))
    for found in (trains, held_outs, tests):
        if len(found) > 1:
            raise UserError(
                f"{data.shown}: {' and '.join(found)} are both there; one of them is supported"
            )
    how = [f"{base or data.shown}/"]
    roots: tuple[tuple[str, int | None], ...] = (("", None),)
    if held_outs:
        _check_hold_out(data, base, held_outs[0], classes)
        how.append(f"held out: {held_outs[0]}/")
        roots = ((base, -1), (held_outs[0], 0))
    if tests:
        how.append(f"to be predicted: {tests[0]}/")
    return TaskFile(
        origin=data.shown,
        how=f"folders as classes ({', '.join(how)})",
        name="task",
        images="" if held_outs else base,
        parts=(PartFile("label", Source("folder")),),
        roots=roots,
        # Images to predict are left out already.
        without=tuple(one for one in apart if one not in tests),
        eval=EvalFile(tests[0]) if tests else None,
    )


def _called(folders: Sequence[str], names: Sequence[str]) -> list[str]:
    """Those of the folders that have one of the names, in upper or lower case."""
    return [folder for folder in folders if folder.lower() in names]


def _check_hold_out(data: Folder, base: str, held_out: str, classes: Sequence[str]) -> None:
    if not base:
        raise UserError(
            f"{data.shown}: {held_out}/ is a hold-out, but its classes lie beside it; move the folders"
            f" {some(classes)} into {data.shown}/train"
        )
    inside = _classes(data, held_out)
    known = set(map(nfc, classes))
    if more := [name for name in inside if nfc(name) not in known]:
        raise UserError(
            f"{data.shown}/{held_out}: {some(more)}: no such class in train, which has {some(classes)};"
            " a hold-out has the same classes, correct the folders' names"
        )
    if not inside:
        raise UserError(
            f"{data.shown}/{held_out}: has images, but no folders of the classes {some(classes)};"
            " put them in such folders, or call it test if they are to be predicted"
        )


def _classes(data: Folder, folder: str) -> list[str]:
    """Names of the folders with images in a folder."""
    return [one for one in folders_in(data, folder) if has_images(data, below(folder, one))]


def _refuse(data: Folder, base: str, classes: Sequence[str]) -> str:
    found = look_into(data)
    if sentence := not_supported(data, found):
        return f"{data.shown}: {sentence}"
    if len(classes) == 1:
        return f"{data.shown}: only one class ({classes[0]}); {_way_out_of_one(data, base, classes[0])}"
    return (
        f"{data.shown}: no task found in it; it holds {found.in_words()}. {_layouts(found)}, or write"
        f" {data.shown}/{TASK_FILE} (maskcls check {data.shown} --propose writes a first one)"
    )


def _way_out_of_one(data: Folder, base: str, only: str) -> str:
    place = below(base, only)
    inside = _classes(data, place)
    if len(inside) > 1:
        return f"if its folders {some(inside)} are the classes, name {data.shown}/{place} as DATA"
    return "a classifier needs two or more folders with images, one for each class"


def _layouts(found: Holdings) -> str:
    what = "Put the images in" if found.images_in else "DATA needs images: in"
    return (
        f"{what} a folder for each class (DATA/CLASS or DATA/train/CLASS), name them in DATA/train.csv"
        " with the columns image and label"
    )
