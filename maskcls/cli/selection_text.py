"""What `maskcls ensemble` says about the choice of its runs, and of runs and folds that lag behind."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from maskcls.core.metrics import TITLES


def selection_lines(provenance: Mapping[str, Any]) -> Iterator[str]:
    """Lines about the entries `selection` and `comparison`, those that are there."""
    if selection := provenance.get("selection"):
        yield from _of_selection(selection)
    comparison = provenance.get("comparison", {})
    if comparison.get("gain") is not None:
        yield from _of_comparison(comparison)
    for fold in comparison.get("low_folds", ()):
        repeat = f" repeat {fold['repeat']}" if fold["repeat"] else ""
        yield (
            f"{fold['run']} fold {fold['fold']}{repeat}: {fold['score']:.4f} on its held-out images,"
            f" the other folds {fold['others']:.4f} on average, which its groups do not explain"
            f" (p {fold['p_adjusted']:.2g}); it is still a member"
        )


def _of_selection(found: Mapping[str, Any]) -> Iterator[str]:
    inside = found["in_sample"]
    yield (
        f"greedy selection among {len(found['weights'])} runs by {TITLES[found['metric']]} on"
        f" {_where(found)}; on groups that it was not chosen on it gains"
    )
    for what, over in (("best", "the best single run"), ("mean", "the mean of all runs")):
        gain, interval = found[f"gain_over_{what}"], found[f"interval_over_{what}"]
        in_sample = _gain(inside[f"gain_over_{what}"])
        yield f"  {_gain(gain, interval)} over {over}; in sample {in_sample}"
    if found["used"] == "mean":
        yield (
            "  the interval over the mean of all runs does not lie above 0, so the mean of all is"
            " used"
        )
        return
    weights = found["weights"].items()
    yield "  weights: " + ", ".join(f"{run} {n}" for run, n in weights if n)
    if left_out := [run for run, n in weights if not n]:
        yield "  left out: " + ", ".join(left_out)


def _of_comparison(found: Mapping[str, Any]) -> Iterator[str]:
    best = found["best_member"]
    yield (
        f"out-of-fold: {TITLES[found['metric']]}"
        f" {found['ensemble']:.4f}{_around(found.get('ensemble_interval'))} on {_where(found)},"
        f" {_gain(found['gain'], found['interval'])} over its best member, {best['run']}"
        f" ({best['score']:.4f}{_around(best.get('interval'))})"
        + (", in sample" if found.get("in_sample") else "")
    )
    if found["interval"] and found["interval"][1] < 0:
        yield f"{best['run']} alone is better than the ensemble"
    for run in found["harmful_runs"]:
        yield (
            f"{run['run']} makes it worse: without it the ensemble gains {run['gain_without']:.4f}"
            f" (p {run['p_adjusted']:.2g})"
        )


def _where(found: Mapping[str, Any]) -> str:
    left_out = []
    if others := found["images_not_shared"]:
        left_out.append(f"{others:,} that not all runs have")
    images = f"{found['images']:,} held-out images"
    if "groups_of_several_labels" in found:  # answers by group
        text = f"the means of {found['groups']:,} groups in {images}"
        if mixed := found["groups_of_several_labels"]:
            left_out.append(f"{mixed:,} groups with several labels")
    elif found["groups"] == found["images"]:
        text = f"{images}, each a group of its own"
    else:
        text = f"{images} of {found['groups']:,} groups"
    return text + (f" ({' and '.join(left_out)} are left out)" if left_out else "")


def _gain(value: float | None, interval: Sequence[float] | None = None) -> str:
    text = "-" if value is None else f"{value:+.4f}"
    return text + _around(interval)


def _around(interval: Sequence[float] | None) -> str:
    return f" [{interval[0]:.4f}, {interval[1]:.4f}]" if interval else ""
