"""Starting a local Ray whose temporary folder is ours."""

import os
from pathlib import Path
from types import ModuleType
from typing import Any

from maskcls.cluster.ray_internals import CHANGED, fall_back, internal

TEMPORARY = "ray.init(_temp_dir=...)"


def start_ray(ray: ModuleType, temporary: Path, **options: Any) -> Any:
    """ray.init(**options), with Ray's files below an absolute folder.

    ray.init says that arguments with an underscore may change. In the usual folder, a stale
    /tmp/ray/ray_current_cluster of another program makes every Train run wait 12 s for a dead address
    (Ray 2.60). Public way: RAY_TMPDIR, in whose folder "ray" Ray then keeps its files.
    """
    # Ray looks at the names of its arguments before it does anything.
    if internal(TEMPORARY, lambda: True):
        try:
            return ray.init(_temp_dir=str(temporary / "r"), **options)
        except (RuntimeError, *CHANGED) as error:
            if "_temp_dir" not in str(error):
                raise
            fall_back(TEMPORARY, repr(error))
    before = os.environ.get("RAY_TMPDIR")
    os.environ["RAY_TMPDIR"] = str(temporary)
    try:
        return ray.init(**options)
    finally:
        del os.environ["RAY_TMPDIR"]
        if before is not None:
            os.environ["RAY_TMPDIR"] = before
