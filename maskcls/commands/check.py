"""`maskcls check`: check a data folder and decode every image; trains nothing."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import pandas as pd

from maskcls.core.errors import Exit, StorageError, UserError
from maskcls.core.progress import Progress
from maskcls.data.findings import Finding
from maskcls.data.table import Table, read_data
from maskcls.pixels.decode import DecodeError, decode
from maskcls.pixels.fingerprint import read_image
from maskcls.store.folder import Folder

_CHUNK = 64  # small enough for steady progress, large enough that sending it costs nothing
_Decoded = tuple[str, tuple[int, ...] | str]
"""Path of an image, and (height, width) or the reason why it cannot be decoded."""


@dataclass(frozen=True)
class Checked:
    """The result of check; faults: images that cannot be decoded, with the reason."""

    exit_code: Exit
    table: Table
    findings: tuple[Finding, ...]
    faults: dict[str, str]
    image_sizes: dict[str, int]

    def class_table(self) -> pd.DataFrame:
        """Images and people per class: columns class, images, people; all 18 rows."""
        images = self.table.images
        return pd.DataFrame(
            {
                "class": range(18),
                "images": [int((images["label"] == k).sum()) for k in range(18)],
                "people": [images.loc[images["label"] == k, "person"].nunique() for k in range(18)],
            }
        )


def check(data: str, progress: Progress, decode_images: bool = True) -> Checked:
    """Read the table and decode every image; DEGRADED when one of them cannot be decoded.

    Raises UserError for what train would refuse, StorageError when storage is unavailable.
    """
    folder = Folder.at(data)
    table = read_data(folder)
    faults: dict[str, str] = {}
    sizes: dict[str, int] = {}
    if decode_images:
        jobs = [("train/images", table.images["path"])]
        if table.eval_images is not None:
            # Missing ones are reported by the table already.
            found = table.eval_images.loc[table.eval_images["found"], "path"]
            jobs.append(("eval/images", found))
        for where, paths in jobs:
            _decode_all(folder, where, paths, faults, sizes, progress)
    missing = table.eval_images is not None and not bool(table.eval_images["found"].all())
    code = Exit.DEGRADED if faults or missing else Exit.GOOD
    return Checked(code, table, table.findings, faults, dict(sorted(sizes.items())))


def _decode_all(
    folder: Folder, where: str, paths: "pd.Series[str]", faults: dict[str, str],
    sizes: dict[str, int], progress: Progress,
) -> None:  # fmt: skip
    parts = (tuple(paths[i : i + _CHUNK]) for i in range(0, len(paths), _CHUNK))
    chunks = [(folder.location, where, part) for part in parts]
    # Processes by spawn: forking a process that has threads can deadlock the child.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        done = 0
        # In order, so that the report does not depend on which process was faster.
        for found in pool.map(_decode_chunk, chunks):
            for path, result in found:
                if isinstance(result, str):
                    faults[f"{where}/{path}"] = result
                else:
                    size = f"{result[0]}x{result[1]}"
                    sizes[size] = sizes.get(size, 0) + 1
            done += len(found)
            progress.count(f"decoded from {where}", done, len(paths))


def _decode_chunk(job: tuple[str, str, tuple[str, ...]]) -> list[_Decoded]:
    """Result for each image.

    Raises StorageError: unavailable storage is no fault of the images, and each would wait as long.
    """
    location, where, paths = job
    folder = Folder.at(location).child(*where.split("/"))
    found: list[_Decoded] = []
    for path in paths:
        try:
            data = read_image(folder, path)
            result: tuple[int, ...] | str
            result = "the file is missing" if data is None else np.shape(decode(data))[:2]
        except StorageError:  # is a UserError, too, and must not become a fault of the image
            raise
        except (DecodeError, UserError) as e:
            result = str(e)
        found.append((path, result))
    return found
