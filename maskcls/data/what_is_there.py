"""What a data folder holds, in a few words: for the sentence that refuses it and for proposals."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from maskcls.core.names import is_junk, some, split_extension
from maskcls.data.walk import below, is_image
from maskcls.store.folder import Folder

MAX_FOLDERS = 200
"""Folders looked into: somebody may name a home folder by mistake."""
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")


@dataclass(frozen=True)
class Holdings:
    """The first folders of DATA, level by level.

    images_in: number of images directly in each folder that has some, by its path. extensions: of all
    other files, counted; first: the first file of each extension.
    """

    images_in: dict[str, int] = field(default_factory=dict)
    extensions: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def in_words(self) -> str:
        """Such as "120 images in a, b and 3 more, 2 .csv"."""
        words = []
        if self.images_in:
            folders = some([f"{name}/" if name else "the folder itself" for name in self.images_in])
            words.append(f"{sum(self.images_in.values()):,} images in {folders}")
        words += [f"{num:,} {extension}" for extension, num in self.extensions.most_common(6)]
        return ", ".join(words) or "nothing"


def look_into(data: Folder, start: str = "") -> Holdings:
    """List a folder and those below it, level by level, up to MAX_FOLDERS of them."""
    found, pending, num = Holdings(), [start], 0
    while pending and num < MAX_FOLDERS:
        folder = pending.pop(0)
        num += 1
        for entry in data.list(folder):
            path = below(folder, entry.name)
            if is_junk(entry.name):
                continue
            if not entry.is_file:
                pending.append(path)
            elif is_image(entry.name):
                found.images_in[folder] = found.images_in.get(folder, 0) + 1
            else:
                extension = split_extension(entry.name)[1] or "without extension"
                found.extensions[extension] += 1
                found.first.setdefault(extension, path)
    return found


def has_images(data: Folder, folder: str) -> bool:
    """Whether an image lies in a folder or below it; looks level by level, and stops at the first."""
    pending, num = [folder], 0
    while pending and num < MAX_FOLDERS:
        place = pending.pop(0)
        num += 1
        entries = [entry for entry in data.list(place) if not is_junk(entry.name)]
        if any(entry.is_file and is_image(entry.name) for entry in entries):
            return True
        pending += [below(place, entry.name) for entry in entries if not entry.is_file]
    return False


def is_file(data: Folder, name: str) -> bool:
    """Whether there is a file of this name; unpacked archives often are folders called train.csv."""
    return data.exists(name) and not data.is_dir(name)


def folders_in(data: Folder, folder: str) -> list[str]:
    """Names of the folders in a folder, without hidden and junk ones."""
    return [e.name for e in data.list(folder) if not e.is_file and not is_junk(e.name)]


def not_supported(data: Folder, found: Holdings) -> str | None:
    """What the data is, and the way out, if it is of a kind that is refused by name; else None."""
    if ".dcm" in found.extensions or ".dicom" in found.extensions:
        return (
            f"DICOM images ({found.first.get('.dcm') or found.first['.dicom']}) are not read, since"
            " their grey values need a choice of window; convert them to PNG of 8 bit and name them in"
            " a CSV with the columns image and label"
        )
    if (first := found.first.get(".json")) and _is_coco(data, first):
        return (
            f"annotations in COCO's JSON ({first}) are not read; write a CSV with the columns image and"
            " label (one label an image) from it"
        )
    archives = [found.first[one] for one in ARCHIVES if one in found.first]
    if archives and not found.images_in:
        return f"images in archives ({archives[0]}) are not read; unpack it and name the folder"
    return None


def _is_coco(data: Folder, name: str) -> bool:
    start = next(iter(data.read_chunks(name)), b"")
    return b'"annotations"' in start or (b'"images"' in start and b'"categories"' in start)


def labels_in_cells(cells: Sequence[str], separators: str) -> str | None:
    """A cell that holds several labels, None if none seems to; cells: distinct.

    Class names may have commas and blanks in them. Several labels show by their parts: each occurs in
    two cells or more ("cat", "cat,dog").
    """
    joined = {cell: _split(cell, separators) for cell in cells}
    occurs = Counter(part for parts in joined.values() for part in set(parts))
    several = {cell: parts for cell, parts in joined.items() if len(parts) > 1}
    if several and all(occurs[part] > 1 for parts in several.values() for part in parts):
        return next(iter(several))
    return None


def several_labels(cells: Sequence[str]) -> str | None:
    """As labels_in_cells, also of labels separated by blanks, which class names have, too.

    For a person to judge: with blanks, several labels show by fewer different words than cells.
    """
    words = {word for cell in cells for word in cell.split()}
    return labels_in_cells(cells, "|;,") or (
        labels_in_cells(cells, " ") if len(words) < len(cells) else None
    )


def _split(cell: str, separators: str) -> list[str]:
    for one in separators:
        cell = cell.replace(one, "\0")
    return [part.strip() for part in cell.split("\0") if part.strip()]


def are_amounts(values: Sequence[str], max_classes: int) -> bool:
    """Whether distinct values are numbers to be predicted (regression), not classes."""
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return False
    fractions = any(number != round(number) for number in numbers if abs(number) < 1e15)
    return len(values) > max_classes or (fractions and len(values) > 20)
