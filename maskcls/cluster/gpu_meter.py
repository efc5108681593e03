"""How much of the time a worker's GPU does nothing."""

import sys
from typing import Any


class GpuMeter:
    """Counts looks at the GPU by NVIDIA's management library; tells nothing where there is none."""

    def __init__(self, device: str) -> None:
        """device: of the fold's job, "cpu" or "cuda"."""
        self._can_look = device == "cuda"
        self._busy, self._looks = 0.0, 0

    def look(self) -> float | None:
        """The idle share since the start, 0 to 1, with a look at it now; None when it is unknown."""
        # Not imported for a look: before the worker needs it, its GPU has nothing to do anyway.
        torch: Any = sys.modules.get("torch")
        if not self._can_look or torch is None:
            return None
        try:
            # Per cent of the last sixth of a second to second in which a kernel ran.
            self._busy += torch.cuda.utilization() / 100
        except Exception:  # whatever NVIDIA's library says of a virtual GPU: a figure less, no more
            self._can_look = False
            return None
        self._looks += 1
        return 1 - self._busy / self._looks
