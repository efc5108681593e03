"""How much of the time a worker's GPU does nothing."""

from typing import Any


class GpuMeter:
    """Counts looks at the GPU by NVIDIA's management library; tells nothing where there is none."""

    def __init__(self, device: str) -> None:
        """device: of the fold's job, "cpu" or "cuda"."""
        self._torch: Any = None
        self._busy, self._looks = 0.0, 0
        if device == "cuda":
            import torch

            self._torch = torch

    def look(self) -> float | None:
        """The idle share since the start, 0 to 1, with a look at it now; None when it is unknown."""
        if self._torch is None:
            return None
        try:
            # Per cent of the last sixth of a second to second in which a kernel ran.
            self._busy += self._torch.cuda.utilization() / 100
        except Exception:  # whatever NVIDIA's library says of a virtual GPU: a figure less, no more
            self._torch = None
            return None
        self._looks += 1
        return 1 - self._busy / self._looks
