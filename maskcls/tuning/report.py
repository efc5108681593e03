"""search.html: the result of a search and the importance of its settings, in one self-contained file."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from maskcls.core.metrics import TITLES, shown_score
from maskcls.tuning.sampler import as_optuna, quiet_optuna
from maskcls.tuning.search_record import SearchContent
from maskcls.tuning.space import Domain, Range, Space
from maskcls.tuning.trials import Trial, shown

_MIN_TRIALS = 8


@dataclass(frozen=True)
class Importance:
    """shares: of each setting, 0 to 1, with sum 1; {} with too few trials. epoch: the number of epochs
    after which the trials are compared. note: how to read it, or why there is none.
    """

    epoch: int
    note: str
    shares: dict[str, float] = field(default_factory=dict)


def importance_of(space: Space, trials: Sequence[Trial]) -> Importance:
    """Each setting's importance over all trials with a score."""
    seen = [t for t in trials if t.scores and not t.is_open]
    # Compared after as many epochs as all of them have: ASHA stops trials early, and the
    # scores of longer ones are higher for that reason alone.
    epoch = min((len(t.scores) for t in seen), default=0)
    values = {t.number: max(t.scores[:epoch]) for t in seen}
    if len(seen) < _MIN_TRIALS:
        return Importance(
            epoch, f"{len(seen)} trials with a score are too few; {_MIN_TRIALS} are needed."
        )
    if len(set(values.values())) == 1:  # no variance, of which a share could be computed
        return Importance(epoch, "All trials scored the same.")
    optuna = quiet_optuna()
    study = optuna.create_study(direction="maximize")
    for trial in seen:
        study.add_trial(as_optuna(space, trial, values[trial.number]))
    # Seeded: fANOVA fits a random forest, and the page must not differ between two starts.
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=space.search.seed)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    epochs = f"{epoch} epoch{'s' if epoch > 1 else ''}"
    note = (
        f"Share of the variance of fold 0's {TITLES[seen[0].metric]} after {epochs},"
        f" over {len(seen)} trials (fANOVA). It shows which settings changed the score within this"
        " space; which values are good is shown by the plots."
    )
    return Importance(epoch, note, {name: float(share) for name, share in shares.items()})


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
  color: #222; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #ddd;
  vertical-align: top; }
th.n, td.n { text-align: right; }
.best { background: #eef6ee; } .note { color: #555; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; }
figcaption { color: #555; font-size: .85rem; }
.bar { background: #4a7fb5; height: .8rem; display: inline-block; }
"""
_WIDTH, _HEIGHT, _EDGE = 280, 150, 34


def page(space: Space, trials: Sequence[Trial], record: SearchContent) -> str:
    """The page. trials: best first; record: search.json."""
    found = importance_of(space, trials)
    body = [
        f"<h1>{_title(trials)}</h1>",
        f"<p>{_summary(trials, record)}</p>",
        "<h2>What mattered</h2>",
        *_importance(found),
        '<div class="plots">',
        *(_plot(name, domain, trials, found.epoch) for name, domain in space.domains.items()),
        "</div>",
        "<h2>Finalists, trained on all folds</h2>",
        _finalists(trials),
        '<p class="note">The score of the best of several trials is biased upwards by the selection:'
        " expect somewhat less on new images. A difference smaller than the folds' deviation means"
        " little.</p>",
        "<h2>All trials</h2>",
        _all(trials),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>maskcls search</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _title(trials: Sequence[Trial]) -> str:
    best = trials[0]
    whole = best.out_of_fold
    if whole is None:
        return f"Trial {best.number}"
    spread = whole.deviation
    shown = shown_score(best.metric, whole.score)
    text = f"Trial {best.number}: out-of-fold {TITLES[best.metric]} {shown}"
    return text + (f", folds' deviation {spread:.4f}" if spread is not None else "")


def _summary(trials: Sequence[Trial], record: SearchContent) -> str:
    states = ("finished", "stopped", "failed", "lost", "refused")
    counts = {state: sum(t.state == state for t in trials) for state in states}
    parts = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    minutes = record.seconds / 60
    data = record.data
    # Without groups named, there are as many as images.
    groups = f" of {data['groups']:,} groups" if data["groups"] != data["images"] else ""
    return escape(
        f"{len(trials)} trials by {record.search['sampler']} in {minutes:.0f} minutes: {parts}."
        f" {data['images']:,} images{groups}. Each trial trained fold 0 first;"
        " ASHA stopped the weak ones; the best finished ones were trained on all folds and are"
        " ranked by their out-of-fold score. best.toml holds the winner's settings."
    )


def _importance(found: Importance) -> list[str]:
    if not found.shares:
        return [f'<p class="note">{escape(found.note)}</p>']
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td class=n>{share:.2f}</td>"
        f'<td style="width:60%"><span class="bar" style="width:{100 * share:.0f}%"></span></td></tr>'
        for name, share in sorted(found.shares.items(), key=lambda item: -item[1])
    )
    return [
        f'<p class="note">{escape(found.note)}</p>',
        f"<table><tr><th>setting</th><th class=n>share</th><th></th></tr>{rows}</table>",
    ]


def _plot(name: str, domain: Domain, trials: Sequence[Trial], epoch: int) -> str:
    """Score of fold 0 after an epoch that all trials reached, over the setting's values."""
    seen = [t for t in trials if len(t.scores) >= epoch and name in t.settings]
    if not seen:
        return ""
    scores = np.array([max(t.scores[:epoch]) for t in seen])
    metric, low, high = seen[0].metric, float(scores.min()), float(scores.max())
    span = (high - low) or 1.0  # all scores equal: no division by zero
    dots = []
    for trial, score in zip(seen, scores.tolist(), strict=True):
        x = _EDGE + (_WIDTH - _EDGE - 10) * _share(domain, trial.settings[name])
        y = 10 + (_HEIGHT - 40) * (1 - (score - low) / span)
        colour = "#2a7a2a" if trial is trials[0] else "#4a7fb5"
        value = f"{shown(trial.settings[name])}, {shown_score(metric, score)}"
        label = escape(f"trial {trial.number}: {name}={value}")
        dots.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}" fill-opacity=".75">'
            f"<title>{label}</title></circle>"
        )
    labels = "".join(
        f'<text x="{_EDGE + (_WIDTH - _EDGE - 10) * share:.0f}" y="{_HEIGHT - 12}" font-size="10"'
        f' text-anchor="{anchor}">{escape(text)}</text>'
        for text, share, anchor in _ticks(domain)
    )
    top, bottom = shown_score(metric, high, 3), shown_score(metric, low, 3)
    return (
        f'<figure><svg width="{_WIDTH}" height="{_HEIGHT}" role="img"'
        f' aria-label="score over {escape(name)}">'
        f'<line x1="{_EDGE}" y1="{_HEIGHT - 26}" x2="{_WIDTH - 6}" y2="{_HEIGHT - 26}"'
        ' stroke="#bbb"/>'
        f'<text x="0" y="16" font-size="10">{top}</text>'
        f'<text x="0" y="{_HEIGHT - 28}" font-size="10">{bottom}</text>{labels}{"".join(dots)}'
        f"</svg><figcaption>{escape(name)}</figcaption></figure>"
    )


def _share(domain: Domain, value: Any) -> float:
    if isinstance(domain, Range):
        return domain.share_of(value)
    return (domain.values.index(value) + 0.5) / len(domain.values)


def _ticks(domain: Domain) -> list[tuple[str, float, str]]:
    if isinstance(domain, Range):
        return [(shown(domain.low), 0.0, "start"), (shown(domain.high), 1.0, "end")]
    return [(shown(v), _share(domain, v), "middle") for v in domain.values]


def _finalists(trials: Sequence[Trial]) -> str:
    rows = []
    for trial in trials:
        if trial.out_of_fold is None:
            continue
        whole = trial.out_of_fold
        folds = "  ".join(shown_score(trial.metric, f) for f in whole.folds)
        deviation = "-" if whole.deviation is None else f"{whole.deviation:.4f}"
        interval = "-" if whole.interval is None else str(whole.interval)
        rows.append(
            f"<tr{' class=best' if trial is trials[0] else ''}><td class=n>{trial.number}</td>"
            f"<td class=n>{shown_score(trial.metric, whole.score)}</td><td>{interval}</td>"
            f"<td class=n>{deviation}</td>"
            f"<td>{folds}</td><td>{escape(trial.words)}</td></tr>"
        )
    return (
        f"<table><tr><th class=n>trial</th><th class=n>out-of-fold {TITLES[trials[0].metric]}</th>"
        "<th>95 %</th><th class=n>deviation</th><th>folds</th><th>settings</th></tr>"
        + "".join(rows)
        + "</table>"
    )


def _all(trials: Sequence[Trial]) -> str:
    rows = "".join(
        f"<tr><td class=n>{t.number}</td><td>{escape(t.state)}</td><td class=n>{len(t.scores)}</td>"
        f"<td class=n>{shown_score(t.metric, t.best)}</td><td>{escape(t.words)}"
        f"{f'<br><span class=note>{escape(t.note)}</span>' if t.note else ''}</td></tr>"
        for t in trials
    )
    return (
        "<table><tr><th class=n>trial</th><th>state</th><th class=n>epochs</th>"
        f"<th class=n>best {TITLES[trials[0].metric]} of fold 0</th><th>settings</th></tr>"
        + rows
        + "</table>"
    )
