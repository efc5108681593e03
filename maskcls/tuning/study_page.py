"""study.html: each change's paired difference with its interval, in one self-contained file."""

from collections.abc import Sequence
from html import escape

from maskcls.core.metrics import TITLES, oriented, shown_score
from maskcls.core.task import MetricName
from maskcls.tuning.study_record import StudyContent
from maskcls.tuning.study_results import Compared, Outcome, basis, headline

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem;
  color: #222; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #ddd;
  vertical-align: top; }
th.n, td.n { text-align: right; white-space: nowrap; }
td { overflow-wrap: anywhere; } .wide { overflow-x: auto; }
th:first-child { min-width: 14rem; } th:nth-child(2), th:last-child { min-width: 11rem; }
.note { color: #555; } svg { max-width: 100%; }
"""
_COLOURS: dict[Outcome, str] = {"better": "#2a7a2a", "worse": "#b03030"}
_LABELS, _PLOT, _ROW, _TOP = 330, 560, 26, 8
_LABEL_ROOM = 70
"""Of two labels of the axis, so that they do not overlap."""


def page(content: StudyContent) -> str:
    """The page. content: study.json, with its results, best first."""
    results, title = content.results, TITLES[content.metric]
    body = [
        f"<h1>{escape(headline(results))}</h1>",
        f"<p>{escape(_summary(content))}</p>",
        f"<h2>Difference from the base in {title}, with 95 % intervals; right is better</h2>",
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


def _summary(content: StudyContent) -> str:
    data, asked = content.data, len(content.seeds)
    groups = f" of {data['groups']:,} groups" if _unit(content) == "groups" else ""
    base = _with_base(content.results)
    score, done = "-", asked
    if base is not None:
        score = shown_own(content.metric, base.base, base.base_interval)
        done = len(base.base_seeds)
    seeds = f"{done}{f' of {asked}' * (done < asked)} seed{'s' * (asked != 1)}"
    return (
        f"Each change alone against the base, whose mean out-of-fold {TITLES[content.metric]} is"
        f" {score}; the same folds, {seeds}. {data['images']:,} images{groups}."
    )


def _with_base(results: Sequence[Compared]) -> Compared | None:
    """One that has the base's score, which is the same in all."""
    return next((one for one in results if one.base is not None), None)


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
        colour = _COLOURS.get(one.outcome, "#4a7fb5")
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
        if anchor != "middle" and abs(x(value) - x(0)) < _LABEL_ROOM:
            continue
        parts.append(
            f'<text x="{x(value):.1f}" y="{bottom + 16}" font-size="11" text-anchor="{anchor}">'
            f"{f'{value:+.3f}' if value else '0'}</text>"
        )
    width, height = _LABELS + _PLOT + 10, bottom + 22
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
        f' aria-label="difference of each change from the base">{"".join(parts)}</svg>'
    )


def _table(content: StudyContent) -> str:
    head = (
        "<tr><th>change</th><th>settings</th><th class=n>seeds</th>"
        f"<th class=n>{TITLES[content.metric]}</th><th class=n>difference</th>"
        "<th class=n>p</th><th class=n>p, Holm</th><th>verdict</th></tr>"
    )
    base = _with_base(content.results)
    first = "" if base is None else _cells("base", "", base_numbers(content.metric, base), "")
    rows = "".join(_row(content, one) for one in content.results)
    return f'<div class="wide"><table>{head}{first}{rows}</table></div>'


def _row(content: StudyContent, one: Compared) -> str:
    settings = "<br>".join(
        escape(f"{name}: {_text(before)} → {_text(after)}")
        for name, (before, after) in one.settings.items()
    )
    return _cells(one.change, settings, own_numbers(content.metric, one), one.verdict)


def _cells(name: str, settings: str, numbers: Sequence[str], verdict: str) -> str:
    """A row; settings: HTML."""
    # An interval below its number, or the verdict has no room.
    broken = (escape(text).replace(" [", "<br>[") for text in numbers)
    cells = "".join(f"<td class=n>{text}</td>" for text in broken)
    return f"<tr><td>{escape(name)}</td><td>{settings}</td>{cells}<td>{escape(verdict)}</td></tr>"


def _text(value: object) -> str:
    return "not set" if value is None else str(value)


def base_numbers(metric: MetricName, one: Compared) -> list[str]:
    """Seeds and score of the base, and what it has not."""
    score = shown_own(metric, one.base, one.base_interval)
    return [str(len(one.base_seeds)), score, "", "", ""]


def own_numbers(metric: MetricName, one: Compared) -> list[str]:
    """Seeds, score, difference, p and adjusted p of a change as shown; "-" for what is not known."""
    score = shown_own(metric, one.score, one.score_interval)
    return [str(len(one.seeds)), score, *shown_numbers(one)]


def shown_own(metric: MetricName, score: float | None, interval: Sequence[float] | None) -> str:
    """A score with its interval, as the metric's value."""
    if score is None or interval is None:
        return shown_score(metric, score)
    low, high = sorted(oriented(metric, edge) for edge in interval)
    return f"{shown_score(metric, score)} [{low:.4f}, {high:.4f}]"


def shown_numbers(one: Compared) -> list[str]:
    """Difference with its interval, p and adjusted p as shown; "-" for what is not known."""
    interval = "" if one.interval is None else f" [{one.interval[0]:+.4f}, {one.interval[1]:+.4f}]"
    difference = "-" if one.difference is None else f"{one.difference:+.4f}{interval}"
    if one.same_answers or (one.difference == 0 and one.interval in (None, [0, 0])):
        difference = "the same"
    return [
        difference,
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


def _unit(content: StudyContent) -> str:
    """What a bootstrap draws: without groups named, there are as many as images."""
    return "images" if content.data["groups"] == content.data["images"] else "groups"


def _notes(content: StudyContent) -> list[str]:
    sources = {one.noise_from for one in content.results if one.difference is not None}
    noise = {
        "seeds": "the noise of training as the seeds show it",
        "folds": "the noise of training as the folds of one seed show it",
    }
    measured = " or ".join(noise[s] for s in sorted(s for s in sources if s))
    unit, of_how_many = _unit(content), basis(content.results)
    notes = [
        "The difference is the mean score of the change minus that of the base, both on the same"
        " held-out images; positive is better, whatever the metric.",
        f"Its 95 % interval is of a bootstrap over {unit}"
        + (f", with {measured} added." if measured else ", of these networks alone."),
        f"The intervals of the scores themselves are over {unit}, each side for itself: they may overlap"
        " although a difference is shown, so compare by the difference.",
        f"p is of swapping the {unit} between both sides; the second one is corrected by Holm for all"
        " comparisons of the study, and a change is called better or worse only by it."
        + (f" {of_how_many}." if of_how_many else ""),
        "No difference shown does not mean that there is none: the interval says how large it may be.",
    ]
    if any(one.same_answers for one in content.results):
        notes.append(
            "A change without effect has the same answers as the base, to the last bit; it is not among"
            " the comparisons that are corrected for."
        )
    if left := max((one.left_out for one in content.results), default=0):
        notes.append(f"Up to {left:,} held-out images are left out that not every run has.")
    return notes
