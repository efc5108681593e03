"""Writes the demo's data: drawn people in the competition's exact layout.

folder/train/train.csv            id,gender,race,age,path; one row per person
folder/train/images/<path>/       mask1..mask5, incorrect_mask, normal; .jpg, a few .png and .jpeg
folder/eval/info.csv              ImageID,ans; ans is 0 in every row, as in the competition
folder/eval/images/<40 hex>.jpg   images of other people
folder/truth.csv                  ImageID,ans with the answers: for scoring at the end, never for
                                  choosing
folder/demo.json                  its parameters; written last, so its presence means "complete"
"""

import csv
import hashlib
import io
import json
import multiprocessing
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskcls.core.errors import UserError
from maskcls.core.mask import GENDERS, MASK_OF_SHOT, SHOTS, class_of
from maskcls.demo.drawing import HEIGHT, WIDTH, draw_image
from maskcls.demo.people import RACE, Person, cast, draw_person

GENERATOR = "maskcls demo"
GENERATOR_VERSION = 1
"""Increased when the same arguments give other images than before."""
MIN_PEOPLE = 6
"""As many as there are gender x age groups: with fewer, some of the 18 classes are missing."""
MIN_SIDE_PX = 32

_STAMP = "demo.json"
# Present while images are drawn: by it an interrupted demo is recognised and completed.
_UNFINISHED = "demo.json.part"
_FIRST_EVAL_PERSON = 1_000_000
"""A multiple of 8, see cast; above the number of any person of train, so that none is in both."""
_JPEG_QUALITY = 90
_PNG_LEVEL = 3


@dataclass(frozen=True, slots=True)
class DemoData:
    """Demo data on disk; truth: the eval images' answers, for scoring at the end only."""

    folder: Path
    num_images: int
    num_eval_images: int
    truth: Path


@dataclass(frozen=True, slots=True)
class _Work:
    """One person's images: which files to write, and how large."""

    seed: int
    index: int
    height: int
    width: int
    files: tuple[tuple[str, Path], ...]
    """(shot, file) pairs."""


def write_demo_data(
    folder: Path,
    people: int = 60,
    eval_people: int = 20,
    seed: int = 0,
    height: int = HEIGHT,
    width: int = WIDTH,
    processes: int | None = None,
) -> DemoData:
    """Draw people and write them as a data folder; the same arguments give the same bytes.

    people, eval_people: how many, 7 images each; height, width: of each image in pixels.
    processes: None takes one per core, 1 draws in this process; the bytes do not depend on it.
    A folder that already has this demo is left as it is; one of an interrupted call is completed.
    Nothing is ever deleted.
    Raises UserError for numbers out of range, and for a folder with other content.
    """
    _check_numbers(people, eval_people, seed, height, width, processes)
    made_by: dict[str, str | int] = {
        "generator": GENERATOR,
        "version": GENERATOR_VERSION,
        "people": people,
        "eval_people": eval_people,
        "seed": seed,
        "height": height,
        "width": width,
    }
    data = DemoData(folder, people * len(SHOTS), eval_people * len(SHOTS), folder / "truth.csv")
    if _holds(folder, made_by):
        return data

    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / _UNFINISHED
    unfinished.write_text(json.dumps(made_by, indent=2) + "\n", encoding="utf-8")
    trained_on = cast(people, seed)
    eval_cast = cast(eval_people, seed, _FIRST_EVAL_PERSON)
    work = [
        *(_train_work(person, folder, height, width) for person in trained_on),
        *(_eval_work(person, folder, height, width) for person in eval_cast),
    ]
    for place in sorted({path.parent for task in work for _, path in task.files}):
        place.mkdir(parents=True, exist_ok=True)
    _draw_all(work, processes)
    _write_tables(folder, trained_on, eval_cast, seed)
    # Renamed at the very end: a folder with demo.json has all the rest.
    unfinished.replace(folder / _STAMP)
    return data


def _check_numbers(
    people: int, eval_people: int, seed: int, height: int, width: int, processes: int | None
) -> None:
    lowest = (
        ("people", people, MIN_PEOPLE),
        ("eval_people", eval_people, 1),
        ("seed", seed, 0),
        ("height", height, MIN_SIDE_PX),
        ("width", width, MIN_SIDE_PX),
        ("processes", 1 if processes is None else processes, 1),
    )
    for name, value, minimum in lowest:
        if value < minimum:
            raise UserError(f"demo: {name} is {value}; it must be {minimum} or more")


def _holds(folder: Path, made_by: dict[str, str | int]) -> bool:
    """Whether this demo is in folder, complete. Raises UserError for other content."""
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise UserError(f"{folder}: is a file; name a new or an empty folder for the demo")
    if not any(folder.iterdir()):
        return False
    for name in (_STAMP, _UNFINISHED):
        found = _read_stamp(folder / name)
        if found is None:
            continue
        if found == made_by:
            return name == _STAMP
        differs = ", ".join(
            f"{key} {found.get(key)} instead of {value}"
            for key, value in made_by.items()
            if found.get(key) != value
        )
        raise UserError(
            f"{folder}: has a demo with other parameters ({differs}); delete it or name another folder"
        )
    raise UserError(f"{folder}: is not empty and not a demo; name a new or an empty folder")


def _read_stamp(path: Path) -> dict[str, object] | None:
    """The demo's parameters; None when there is no such file or it is not a demo's."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if isinstance(found, dict) and found.get("generator") == GENERATOR:
        return found
    return None


def _train_work(person: Person, folder: Path, height: int, width: int) -> _Work:
    images = folder / "train" / "images" / person.folder
    files = tuple((shot, images / f"{shot}{_suffix(person, shot)}") for shot in SHOTS)
    return _Work(person.seed, person.index, height, width, files)


def _suffix(person: Person, shot: str) -> str:
    """Mostly .jpg; as in the competition a few people in .png or .jpeg, and some who mix."""
    kind = person.index % 20
    if kind == 4:
        return ".png"
    if kind == 11 or (kind == 17 and shot == "normal"):
        return ".jpeg"
    return ".jpg"


def _eval_work(person: Person, folder: Path, height: int, width: int) -> _Work:
    images = folder / "eval" / "images"
    files = tuple((shot, images / _eval_name(person, shot)) for shot in SHOTS)
    return _Work(person.seed, person.index, height, width, files)


def _eval_name(person: Person, shot: str) -> str:
    """40 hex digits that reveal nothing about the person."""
    text = f"{GENERATOR} {person.seed} {person.index} {shot}"
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() + ".jpg"


def _draw_all(work: list[_Work], processes: int | None) -> None:
    count = min(processes or os.cpu_count() or 1, len(work))
    if count == 1:
        for task in work:
            _draw_one(task)
        return
    # spawn, not fork: the caller may have threads (Ray, torch), whose locks a fork would copy as they
    # are, held for ever.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        # Iterated, since only then is a worker's exception raised.
        for _ in pool.map(_draw_one, work, chunksize=max(1, len(work) // (4 * count))):
            pass


def _draw_one(task: _Work) -> None:
    person = draw_person(task.seed, task.index)
    for shot, path in task.files:
        image = draw_image(person, shot, task.height, task.width)
        if path.suffix == ".png":
            image.save(path, compress_level=_PNG_LEVEL)
        else:
            image.save(path, quality=_JPEG_QUALITY)


def _write_tables(
    folder: Path, trained_on: list[Person], eval_cast: list[Person], seed: int
) -> None:
    _write_csv(
        folder / "train" / "train.csv",
        ("id", "gender", "race", "age", "path"),
        ((p.id, p.gender, RACE, p.age, p.folder) for p in trained_on),
    )
    answers = [
        (_eval_name(p, shot), class_of(MASK_OF_SHOT[shot], GENDERS.index(p.gender), p.age_group))
        for p in eval_cast
        for shot in SHOTS
    ]
    # Neither by person nor by name: the order of the competition's table gives no hint, either.
    order = np.random.default_rng([seed, 40]).permutation(len(answers))
    shuffled = [answers[row] for row in order]
    header = ("ImageID", "ans")
    _write_csv(folder / "eval" / "info.csv", header, ((name, 0) for name, _ in shuffled))
    _write_csv(folder / "truth.csv", header, shuffled)


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str | int, ...]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode())
