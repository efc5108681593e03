"""Starting a local Ray in a given temporary folder."""

import os
from pathlib import Path
from types import ModuleType
from typing import Any

from maskcls.cluster.ray_internals import CHANGED, fall_back, internal

TEMPORARY = "ray.init(_temp_dir=...)"


def start_ray(ray: ModuleType, temporary: Path, **options: Any) -> Any:
    """ray.init(**options), with Ray's files below an absolute folder.

    ray.init documents that arguments with an underscore may change. In Ray's default folder, a stale
    /tmp/ray/ray_current_cluster of another program makes every Train run wait 12 s for a dead address
    (Ray 2.60). Public interface: RAY_TMPDIR, in whose folder "ray" Ray then keeps its files.
    """
    # Tried directly: Ray checks the names of its arguments before it starts anything.
    if internal(TEMPORARY, lambda: True):
        try:
            return ray.init(_temp_dir=str(temporary / "r"), **options)
        except (RuntimeError, *CHANGED) as error:
            if "_temp_dir" not in str(error):  # Ray did not start for another reason
                raise
            fall_back(TEMPORARY, repr(error))
    # Restored afterwards, as it would also move the files of other Rays that are started from here.
    before = os.environ.get("RAY_TMPDIR")
    os.environ["RAY_TMPDIR"] = str(temporary)
    try:
        return ray.init(**options)
    finally:
        del os.environ["RAY_TMPDIR"]
        if before is not None:
            os.environ["RAY_TMPDIR"] = before
