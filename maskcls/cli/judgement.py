"""The lines that say how sure a run's score is."""

from maskcls.core.interval import Interval
from maskcls.core.metrics import TITLES
from maskcls.core.task import MetricName
from maskcls.store.results import Judged

_INDENT = " " * len("out-of-fold  ")


def judgement_lines(metric: MetricName, judged: Judged, is_noted: bool = False) -> list[str]:
    """What was drawn for the intervals; the score without the choice of epochs, and the folds' spread.

    is_noted: whether the screen says elsewhere that no group is named.
    """
    title = TITLES[metric]
    if judged.interval is None:
        lines = [f"no interval of {title}: {judged.interval_note or 'not defined'}"]
    else:
        lines = [bracket_note(judged.interval, judged.interval_by)]
    epochs = {
        "with each fold's epoch chosen by the other folds": judged.honest,
        "with each fold's last epoch": judged.last_epoch,
    }
    found = [f"{name} {value:.4f}" for name, value in epochs.items() if value is not None]
    if found:
        lines.append(f"{title} {'; '.join(found)}")
    of_folds = []
    if judged.fold_mean is not None:
        text = f"mean of the folds {judged.fold_mean:.4f}"
        if judged.fold_deviation is not None:
            text += f", standard deviation {judged.fold_deviation:.4f}"
        of_folds.append(text)
    if judged.calibration_error is not None:
        of_folds.append(f"calibration error {judged.calibration_error:.3f}")
    lines += ["; ".join(of_folds)] if of_folds else []
    lines = [_INDENT + line for line in lines]
    if judged.interval is not None and judged.interval_note and not is_noted:
        lines.append(f"note: {judged.interval_note}")
    return lines


def bracket_note(interval: Interval, drawn: str) -> str:
    """What the intervals on a screen are; drawn: what their bootstrap draws, such as "60 groups"."""
    return f"in brackets: {100 * interval.level:.0f} % intervals, by bootstrap over {drawn}"
