"""A fold's figures in Ray's metrics export, for Prometheus and docs/grafana.

Names and tags are stable, since dashboards rely on them. Ray puts `ray_` before each name.
"""

from typing import Any

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
