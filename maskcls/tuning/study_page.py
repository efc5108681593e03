"""study.html: each change's paired difference with its interval, in one self-contained file."""

from collections.abc import Sequence
from html import escape

from maskcls.core.metrics import TITLES, shown_score
from maskcls.tuning.study_record import StudyContent
from maskcls.tuning.study_results import Compared

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
  color: #222; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #ddd;
  vertical-align: top; }
th.n, td.n { text-align: right; white-space: nowrap; }
.note { color: #555; } svg { max-width: 100%; }
"""
_COLOURS = {"better": "#2a7a2a", "worse": "#b03030"}
_LABELS, _PLOT, _ROW, _TOP = 330, 560, 26, 8


def page(content: StudyContent) -> str:
    """The page. content: study.json, with its results, best first."""
    results, title = content.results, TITLES[content.metric]
    body = [
        f"<h1>{escape(_title(results))}</h1>",
        f"<p>{escape(_summary(content))}</p>",
        f"<h2>Difference from the base in {title}, with 95 % intervals</h2>",
        _plot(results),
        "<h2>Changes</h2>",
        _table(content),
        *_failed(results),
        "<h2>How to read it</h2>",
        *(f'<p class="note">{escape(text)}</p>' for text in _notes(content)),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>maskcls study</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _title(results: Sequence[Compared]) -> str:
    better = [one.change for one in results if one.verdict.startswith("better") and _holds(one)]
    worse = [one.change for one in results if one.verdict.startswith("worse") and _holds(one)]
    return (
        f"{len(results)} changes: {len(better)} better, {len(worse)} worse,"
        f" {len(results) - len(better) - len(worse)} without a shown difference"
    )


def _holds(one: Compared) -> bool:
    return "by itself" not in one.verdict


def _summary(content: StudyContent) -> str:
    data, seeds = content.data, len(content.seeds)
    # Without groups named, there are as many as images.
    groups = f" of {data['groups']:,} groups" if data["groups"] != data["images"] else ""
    base = next((one.base for one in content.results if one.base is not None), None)
    return (
        f"Each change alone against the base, whose mean out-of-fold {TITLES[content.metric]} is"
        f" {shown_score(content.metric, base)}; the same folds, {seeds} seed{'s' * (seeds != 1)}."
        f" {data['images']:,} images{groups}."
    )


def _plot(results: Sequence[Compared]) -> str:
    """A dot with its interval for each change that has one, and a line at no difference."""
    known = [
        (one, one.difference, one.interval)
        for one in results
        if one.difference is not None and one.interval is not None
    ]
    if not known:
        return '<p class="note">No change has been compared yet.</p>'
    edges = [edge for _, _, interval in known for edge in interval]
    low, high = min(0.0, *edges), max(0.0, *edges)
    margin = 0.04 * (high - low) or 1.0  # all differences 0: no division by zero
    low, high = low - margin, high + margin

    def x(value: float) -> float:
        return _LABELS + _PLOT * (value - low) / (high - low)

    bottom = _TOP + _ROW * len(known)
    parts = [f'<line x1="{x(0):.1f}" y1="0" x2="{x(0):.1f}" y2="{bottom}" stroke="#999"/>']
    for place, (one, difference, interval) in enumerate(known):
        y = _TOP + _ROW * place + _ROW / 2
        colour = _COLOURS.get(one.verdict.split()[0], "#4a7fb5") if _holds(one) else "#4a7fb5"
        text = f"{one.change}: {difference:+.4f} [{interval[0]:+.4f}, {interval[1]:+.4f}]"
        name = one.change if len(one.change) <= 46 else f"{one.change[:45]}…"
        parts.append(
            f"<g><title>{escape(text)}</title>"
            f'<text x="{_LABELS - 10}" y="{y + 4:.0f}" font-size="12" text-anchor="end">'
            f"{escape(name)}</text>"
            f'<line x1="{x(interval[0]):.1f}" y1="{y}" x2="{x(interval[1]):.1f}" y2="{y}"'
            f' stroke="{colour}" stroke-width="2"/>'
            f'<circle cx="{x(difference):.1f}" cy="{y}" r="4" fill="{colour}"/></g>'
        )
    for value, anchor in ((low + margin, "start"), (0.0, "middle"), (high - margin, "end")):
        if value == 0 and anchor != "middle":
            continue
        parts.append(
            f'<text x="{x(value):.1f}" y="{bottom + 16}" font-size="11" text-anchor="{anchor}">'
            f"{value:+.3f}</text>"
        )
    width, height = _LABELS + _PLOT + 10, bottom + 22
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
        f' aria-label="difference of each change from the base">{"".join(parts)}</svg>'
    )


def _table(content: StudyContent) -> str:
    head = (
        "<tr><th>change</th><th>settings</th><th class=n>seeds</th><th class=n>base</th>"
        f"<th class=n>{TITLES[content.metric]}</th><th class=n>better by</th>"
        "<th class=n>95 % interval</th><th class=n>p</th><th class=n>p, Holm</th><th>verdict</th></tr>"
    )
    return f"<table>{head}{''.join(_row(content, one) for one in content.results)}</table>"


def _row(content: StudyContent, one: Compared) -> str:
    settings = "<br>".join(
        escape(f"{name}: {_text(before)} → {_text(after)}")
        for name, (before, after) in one.settings.items()
    )
    numbers = [
        str(len(one.seeds)),
        shown_score(content.metric, one.base),
        shown_score(content.metric, one.score),
        *shown_numbers(one),
    ]
    cells = "".join(f"<td class=n>{escape(text)}</td>" for text in numbers)
    return (
        f"<tr><td>{escape(one.change)}</td><td>{settings}</td>{cells}"
        f"<td>{escape(one.verdict)}</td></tr>"
    )


def _text(value: object) -> str:
    return "not set" if value is None else str(value)


def shown_numbers(one: Compared) -> list[str]:
    """Difference, interval, p and adjusted p as shown; "-" for what is not known."""
    interval = "-"
    if one.interval is not None:
        interval = f"[{one.interval[0]:+.4f}, {one.interval[1]:+.4f}]"
    return [
        "-" if one.difference is None else f"{one.difference:+.4f}",
        interval,
        "-" if one.p is None else f"{one.p:.4f}",
        "-" if one.p_adjusted is None else f"{one.p_adjusted:.4f}",
    ]


def _failed(results: Sequence[Compared]) -> list[str]:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(why)}</td></tr>"
        for one in results
        for name, why in one.failed.items()
    )
    if not rows:
        return []
    return ["<h2>Failed runs</h2>", f"<table><tr><th>run</th><th>why</th></tr>{rows}</table>"]


def _notes(content: StudyContent) -> list[str]:
    sources = {one.noise_from for one in content.results if one.difference is not None}
    noise = {
        "seeds": "the noise of training as the seeds show it",
        "folds": "the noise of training as the folds of one seed show it",
    }
    measured = " or ".join(noise[s] for s in sorted(s for s in sources if s))
    notes = [
        "“Better by” is the mean score of the change minus that of the base, both on the same held-out"
        " images; positive is better, whatever the metric.",
        "The interval is of a bootstrap over groups"
        + (f", with {measured} added." if measured else ", of these networks alone."),
        "p is of swapping the groups between both sides; the second one is corrected by Holm for the"
        " number of changes. A change is called better or worse only by the corrected one.",
        "No difference shown does not mean that there is none: the interval says how large it may be.",
    ]
    if left := max((one.left_out for one in content.results), default=0):
        notes.append(f"Up to {left:,} held-out images are left out that not every run has.")
    return notes
