"""`maskcls check`: check a data folder and decode every image; trains nothing."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskcls.core.errors import Exit, StorageError, UserError
from maskcls.core.hashing import DIGEST_BYTES, digest_of_bytes
from maskcls.core.progress import Progress
from maskcls.data.find_task import find_task
from maskcls.data.findings import Finding
from maskcls.data.propose import propose
from maskcls.data.sample import sample_for
from maskcls.data.table import Table, read_data
from maskcls.folds.equal_files import EqualFiles
from maskcls.pixels.decode import DecodeError, decode
from maskcls.pixels.fingerprint import read_image
from maskcls.runs.data_report import data_report
from maskcls.runs.equal_images import equal_images, with_equal_joined
from maskcls.runs.settings import settings
from maskcls.store.folder import Folder

TASK_TOML = "task.toml"
_CHUNK = 64  # small enough for steady progress, large enough that sending it costs nothing
_Decoded = tuple[str, tuple[int, ...] | str, bytes]
"""Path of an image, (height, width) or the reason why it cannot be decoded, digest of its bytes."""


@dataclass(frozen=True)
class Checked:
    """The result of check.

    how: which task it is, in words. faults: images that cannot be decoded, with the reason. image_sizes:
    number of images by "HEIGHTxWIDTH". equal: files with the same bytes, None where nothing was decoded.
    preset: that train would take.
    """

    exit_code: Exit
    how: str
    table: Table
    findings: tuple[Finding, ...]
    faults: dict[str, str]
    image_sizes: dict[str, int]
    equal: EqualFiles | None
    preset: str

    def sentences(self) -> list[str]:
        """What to know before training: balance, crop, groups, equal files, folds."""
        config = settings(self.preset)
        equal = self.equal.sentences() if self.equal else []
        return data_report(self.table, config, self.image_sizes) + equal

    def class_table(self) -> pd.DataFrame:
        """Images and groups per class: columns class, images, groups, name; a row for every class."""
        images, task = self.table.images, self.table.task
        counts = np.bincount(images["label"], minlength=task.num_classes)
        groups = images.groupby("label")["group"].nunique()
        return pd.DataFrame(
            {
                "class": range(task.num_classes),
                "images": counts,
                "groups": [int(groups.get(k, 0)) for k in range(task.num_classes)],
                "name": task.classes,
            }
        )


def check(
    data: str, progress: Progress, decode_images: bool = True, task: str | None = None
) -> Checked:
    """Read the table and decode every image; DEGRADED when one of them is missing or cannot be decoded.

    task: a task file or a built-in task's name; None for the one that the data implies.
    Raises UserError for what train would refuse, StorageError when storage is unavailable.
    """
    folder = Folder.at(data)
    file = find_task(folder, task)
    table = read_data(folder, file)
    sample_for(folder, table)
    places = table.task.places
    faults: dict[str, str] = {}
    sizes: dict[str, int] = {}
    equal = None
    if decode_images:
        digests = _decode_all(folder, places.images, table.images["path"], faults, sizes, progress)
        equal = equal_images(table, digests)
        table = with_equal_joined(table, equal)
        if table.eval_images is not None and places.eval is not None:
            # Missing ones are reported by the table already.
            found = table.eval_images.loc[table.eval_images["found"], "path"]
            _decode_all(folder, places.eval, found, faults, sizes, progress)
    missing = table.eval_images is not None and not bool(table.eval_images["found"].all())
    degraded = bool(faults) or missing or bool(table.missing)
    code = Exit.DEGRADED if degraded else Exit.GOOD
    ordered = dict(sorted(sizes.items()))
    return Checked(code, file.how, table, table.findings, faults, ordered, equal, file.defaults)


def write_proposal(data: str) -> str:
    """Write a first DATA/task.toml; returns its location. UserError where there is one already."""
    folder = Folder.at(data)
    if folder.exists(TASK_TOML):
        raise UserError(
            f"{folder.shown}/{TASK_TOML}: is there already, and --propose never overwrites; edit it, or"
            " rename it first."
        )
    folder.write_bytes(TASK_TOML, propose(folder).encode())
    return f"{folder.shown}/{TASK_TOML}"


def _decode_all(
    folder: Folder, where: str, paths: "pd.Series[str]", faults: dict[str, str],
    sizes: dict[str, int], progress: Progress,
) -> npt.NDArray[np.uint8]:  # fmt: skip
    """Decode the images; returns the digests of their bytes, uint8 [N, 16]."""
    parts = (tuple(paths[i : i + _CHUNK]) for i in range(0, len(paths), _CHUNK))
    chunks = [(folder.location, where, part) for part in parts]
    digests = np.zeros((len(paths), DIGEST_BYTES), np.uint8)
    # Processes by spawn: forking a process that has threads can deadlock the child.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        done = 0
        # In order, so that the report does not depend on which process was faster.
        for found in pool.map(_decode_chunk, chunks):
            for row, (path, result, digest) in enumerate(found, done):
                digests[row] = np.frombuffer(digest, np.uint8)
                if isinstance(result, str):
                    faults[f"{where}/{path}" if where else path] = result
                else:
                    size = f"{result[0]}x{result[1]}"
                    sizes[size] = sizes.get(size, 0) + 1
            done += len(found)
            progress.count(f"decoded from {where or 'DATA'}", done, len(paths))
    return digests


def _decode_chunk(job: tuple[str, str, tuple[str, ...]]) -> list[_Decoded]:
    """Result for each image.

    Raises StorageError: unavailable storage is no fault of the images, and each would wait as long.
    """
    location, where, paths = job
    folder = Folder.at(location).below(where)
    found: list[_Decoded] = []
    for path in paths:
        # Of a missing file, its name: it equals no other.
        digest = digest_of_bytes(path.encode("utf-8", "surrogateescape"))
        result: tuple[int, ...] | str
        try:
            data = read_image(folder, path)
            if data is None:
                result = "the file is missing"
            else:
                digest = digest_of_bytes(data)
                result = np.shape(decode(data))[:2]
        except StorageError:  # is a UserError, too, and must not become a fault of the image
            raise
        except (DecodeError, UserError) as e:
            result = str(e)
        found.append((path, result, digest))
    return found
