"""What a screen says of a decision, the prior and the forecast: from a provenance."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from maskcls.core.metrics import TITLES

_MOST_CLASSES = 20


def decided_lines(provenance: Mapping[str, Any]) -> list[str]:
    """The lines; [] for a provenance of an earlier version."""
    if "decision" not in provenance:
        return []
    classes = provenance["task"]["classes"]
    prior = provenance["prior"]
    return [
        _decision(provenance["decision"], prior, _is_selected(provenance)),
        *(_prior(prior, classes) if prior["asked"] != "none" else []),
        *_forecast(provenance["forecast"], prior),
    ]


def with_bracket_note(lines: Sequence[str]) -> list[str]:
    """The lines, and what the brackets in them are, if there are any."""
    return [
        *lines,
        *(["in brackets: 95 % intervals"] if any("[" in line for line in lines) else []),
    ]


def _is_selected(provenance: Mapping[str, Any]) -> bool:
    return bool(provenance.get("selection", {}).get("used") == "greedy")


def _decision(decision: Mapping[str, Any], prior: Mapping[str, Any], is_selected: bool) -> str:
    rules = {"tuned": _tuned(decision), "calibrated": "calibrated probabilities"}
    rule = rules.get(decision["rule"], "argmax")
    rule += ", corrected for the eval shares" if prior["corrected"] else ""
    text = f"decision: {rule} ({decision['why']})"
    if decision["gain"] is None:
        return text
    title = TITLES[decision["metric"]]
    shares = " under the eval shares" if prior["used"] else ""
    text += f"; held-out {title}{shares} {decision['held_out']:.4f}"
    around = _interval(decision.get("score_interval"))  # of the rule that is used
    if _is_refused(decision, prior):
        measured = decision.get("measured")  # provenances of earlier versions have none
        text += f" was of {measured}" if measured else " was the best other rule's"
        text += f", argmax {decision['argmax']:.4f}{around}"
    else:
        text += f"{around}, argmax {decision['argmax']:.4f}"
    text += f", gain {decision['gain']:+.4f}{_interval(decision['interval'])}"
    return text + ("; both scores are of the images that the runs were chosen by" * is_selected)


def _tuned(decision: Mapping[str, Any]) -> str:
    text = "tuned class weights, factors"
    if weights := decision.get("weights"):
        text += f" of {min(weights):.2f} to {max(weights):.2f}"
    return f"{text} on the class probabilities"


def _is_refused(decision: Mapping[str, Any], prior: Mapping[str, Any]) -> bool:
    return decision["rule"] == "argmax" and not prior["corrected"]


def _prior(prior: Mapping[str, Any], classes: Sequence[str]) -> list[str]:
    state = "used" if prior["used"] else "not used"
    lines = [f"prior: {prior['asked']}, {state}: {prior['why']}"]
    if prior["estimated"] is None:
        return lines
    interval = prior["interval"]
    training, estimated = np.array(prior["training"]), np.array(prior["estimated"])
    # Of many classes those whose share changes most; the provenance has all.
    order = np.argsort(-np.abs(estimated - training), kind="stable")[:_MOST_CLASSES]
    width = max(len(classes[k]) for k in order)
    lines.append(f"  {'class':<{width}}  training  eval")
    for k in np.sort(order).tolist():
        around = f" [{interval[0][k]:.3f}, {interval[1][k]:.3f}]" if interval else ""
        lines.append(f"  {classes[k]:<{width}}  {training[k]:8.3f}  {estimated[k]:.3f}{around}")
    return lines


def _forecast(forecast: Mapping[str, Any], prior: Mapping[str, Any]) -> list[str]:
    if forecast["value"] is None:
        return []
    if not prior["used"]:
        shares = "if the classes are as frequent as in training"
    else:
        shares = "with the shares above"
    text = f"forecast: {TITLES[forecast['metric']]} {forecast['value']:.4f}"
    text += _interval(forecast["interval"])
    # Provenances of earlier versions have none.
    if gain := forecast.get("averaging"):
        shares += f"; {gain:+.4f} of it for averaging the networks"
    return [f"{text} on the eval images, {shares}"]


def _interval(pair: Sequence[float] | None) -> str:
    return f" [{pair[0]:.4f}, {pair[1]:.4f}]" if pair else ""
