"""What a copy of the built-in mask task may change: the age part, scores, answers, orders of values.

The rest belongs to the competition's layout, which its own reader knows: a key that it would pass over
is refused.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from maskcls.core.mask import GENDERS, MASKS, SHOTS
from maskcls.data.toml_lines import KeyPath

if TYPE_CHECKING:
    from maskcls.data.task_file import PartFile, Source, TaskFile


_PARTS = ("mask", "gender", "age")


def faults_of_copy(file: "TaskFile") -> Iterator[tuple[KeyPath, str]]:
    """For each fault the key, from the file's top, and a sentence.

    file: with checks = "mask" and the parts mask, gender and age.
    """
    for at, found, expected in _layout(file):
        if found != expected:
            key = f"[{at[0]}] {at[1]}" if at[0] != "part" else f"part {_PARTS[int(at[1])]}: {at[2]}"
            text = (
                f"{key} belongs to the layout of the mask competition"
                f" ({f'write {expected}' if expected else 'leave it out'}); for other data leave out"
                ' checks = "mask", and make a table with a row for each image instead'
            )
            yield at, text
    if not set(file.strata) <= {"gender", "age"}:
        text = "[task] strata: only gender and age, since a person has several values of the mask"
        yield ("task", "strata"), text
    yield from _faults_of_values(*file.parts[:2])
    yield from _faults_of_age(file.parts[2])


def _layout(file: "TaskFile") -> Iterator[tuple[KeyPath, str, str]]:
    """(key, its value, the value that the reader expects)."""
    yield ("task", "images"), file.images, "train/images"
    yield ("task", "table"), file.table or "", "train/train.csv"
    yield ("task", "row"), file.row, "folder"
    yield ("task", "image"), file.image or "", "path"
    yield ("task", "suffix"), file.suffix, ""
    yield ("task", "group"), _in_words(file.group), "path"
    yield ("task", "fold"), _in_words(file.fold), ""
    for k, (part, source) in enumerate(zip(file.parts, ("stem", "gender", "age"), strict=True)):
        yield ("part", k, "from"), _in_words(part.source), source
    # Without [eval], images to predict are passed over.
    if file.eval is not None:
        yield ("eval", "images"), file.eval.images, "eval/images"
        yield ("eval", "table"), file.eval.table or "", "eval/info.csv"
        yield ("eval", "image"), file.eval.image or "", "ImageID"
        yield ("eval", "suffix"), file.eval.suffix, ""
        yield ("eval", "group"), _in_words(file.eval.group), ""


def _in_words(source: "Source | None") -> str:
    return "" if source is None else source.written


def _faults_of_values(mask: "PartFile", gender: "PartFile") -> Iterator[tuple[KeyPath, str]]:
    for k, (part, names) in enumerate(((mask, MASKS), (gender, GENDERS))):
        if sorted(part.values) != sorted(names):
            text = (
                f"part {part.name}: values are {', '.join(names)}, in any order; a copy of the mask"
                " task may reorder the values of mask and gender or change the age part, not rename them"
            )
            yield ("part", k, "values"), text
        if part.borders:
            text = f"part {part.name}: borders are for the age alone; leave them out"
            yield ("part", k, "borders"), text
    for shot in mask.of:
        if shot not in SHOTS:
            text = f"part mask: of names the shot {shot!r}; there are {', '.join(SHOTS)}"
            yield ("part", 0, "of", shot), text
    if gender.of:
        text = "part gender: of is for the mask alone; write male or female into column gender"
        yield ("part", 1, "of"), text


def _faults_of_age(age: "PartFile") -> Iterator[tuple[KeyPath, str]]:
    """What the ordinal heads need; without it they fail when the network is built."""
    if age.of:
        yield ("part", 2, "of"), "part age: of is for the mask alone; write ages into column age"
    if age.numbers is None:
        text = (
            "part age: needs numbers, the smallest and the largest age told apart, such as [18, 60]"
        )
        yield ("part", 2), text
    elif not all(age.numbers[0] < border <= age.numbers[1] for border in age.borders):
        text = (
            f"part age: numbers = {list(age.numbers)} must contain all borders: the first is smaller"
            " than each border, the last is no smaller"
        )
        yield ("part", 2, "numbers"), text
    if age.scale is None or age.scale[1] <= 0:
        text = "part age: needs scale, the ages' mean and their deviation above 0, such as [39, 15]"
        yield ("part", 2, "scale"), text
