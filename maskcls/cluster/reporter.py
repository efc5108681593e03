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


TAGS = ("run", "fold")
NAMES = {
    "maskcls_images_per_second": "Training speed of the fold [images/s].",
    "maskcls_epoch": "Epoch the fold is in, counted from 1.",
    "maskcls_train_loss": "Mean training loss of the last finished epoch.",
    "maskcls_macro_f1": "Macro F1 over the whole held-out fold after the last finished epoch.",
    "maskcls_gpu_idle_share": "Share of the looks at which the fold's GPU did nothing, 0 to 1.",
    "maskcls_attempt": "Attempt at the fold, counted from 1; more means that it was lost before.",
}
"""Name without Ray's prefix: what it says."""


class FoldMetrics:
    """The gauges of one fold; Ray must be running in this process."""

    def __init__(self, run: str, fold: int) -> None:
        """run: its name as people know it, without credentials."""
        from ray.util.metrics import Gauge

        tags = {"run": run, "fold": str(fold)}
        self._gauges: dict[str, Any] = {}
        for name, text in NAMES.items():
            gauge = Gauge(name, description=text, tag_keys=TAGS)
            gauge.set_default_tags(tags)
            self._gauges[name] = gauge

    def set(self, name: str, value: float | None) -> None:
        """Show a figure; None leaves the last one standing."""
        if value is not None:
            self._gauges[name].set(float(value))
