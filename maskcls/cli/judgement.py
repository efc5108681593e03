"""The lines that say how sure a run's score is."""

from maskcls.core.metrics import TITLES
from maskcls.core.task import MetricName
from maskcls.store.results import Judged


def judgement_lines(metric: MetricName, judged: Judged) -> list[str]:
    """What was drawn for the interval; the score without the choice of epochs, and the folds' spread."""
    title = TITLES[metric]
    lines = []
    if judged.interval is not None:
        lines.append(
            f"             [{100 * judged.interval.level:.0f} % interval of {title}"
            f" by bootstrap over {judged.interval_by}]"
        )
    else:
        lines.append(
            f"             no interval of {title}: {judged.interval_note or 'not defined'}"
        )
    found = {
        "honest epochs": judged.honest, "last epochs": judged.last_epoch, "folds": judged.fold_mean,
    }  # fmt: skip
    shown = [f"{name} {value:.4f}" for name, value in found.items() if value is not None]
    if judged.fold_mean is not None and judged.fold_deviation is not None:
        shown[-1] += f" +- {judged.fold_deviation:.4f}"
    if judged.calibration_error is not None:
        shown.append(f"calibration error {judged.calibration_error:.3f}")
    lines.append("             " + "  ".join(shown))
    if judged.interval is not None and judged.interval_note:
        lines.append(f"note: {judged.interval_note}")
    return lines
