"""Output of `maskcls runs`: a line for each run, then forecasts against what came back."""

from collections.abc import Sequence

from maskcls.cli.progress import one_line
from maskcls.commands.runs import Found, Listed
from maskcls.core.metrics import TITLES, shown_score
from maskcls.store.provenance import Submission


def lines_of(found: Found) -> list[str]:
    """Plain lines without control characters."""
    none = f"no run of this kind is there; others: {found.others}"
    lines = _runs(found.runs) if found.runs else [none if found.others else "no run is there"]
    if found.submissions:
        lines += ["", *_submissions(found.submissions)]
    return lines


def _runs(runs: Sequence[Listed]) -> list[str]:
    metrics = {run.metric for run in runs if run.metric}
    only = next(iter(metrics)) if len(metrics) == 1 else None
    rows = [("run", "state", TITLES[only] if only else "score", "95 %", "differs from")]
    for run in runs:
        score = shown_score(run.metric, run.score) if run.metric else "-"
        if not only and run.score is not None and run.metric:
            score = f"{TITLES[run.metric]} {score}"
        mark = "*" if run.interval_note else ""
        interval = _interval(run.value_interval) + mark
        rows.append((run.run, run.state, score, interval, _differs(run)))
    width = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for place, row in enumerate(rows):
        name, state, score, interval, differs = row
        lines.append(
            f"{name:<{width[0]}}  {state:<{width[1]}}  {score:>{width[2]}}"
            f"  {interval:<{width[3]}}  {differs}".rstrip()
        )
        if place:
            lines += _notes(runs[place - 1])
    notes = dict.fromkeys(run.interval_note for run in runs if run.interval_note)
    return [*lines, *(f"* {note}" for note in notes)]


def _differs(run: Listed) -> str:
    settings = [f"{name}={_short(values[1])}" for name, values in run.differs.items()]
    return f"{one_line(_short(run.base))}: {' '.join(settings) or 'nothing'}"


def _short(value: object) -> str:
    # A file of weights may have a long path; --json has it whole.
    text = str(value)
    return text if len(text) <= 40 else f"...{text[-37:]}"


def _notes(run: Listed) -> list[str]:
    tags = " ".join(f"#{tag}" for tag in run.tags)
    texts = [f"{note.time[:10]} {one_line(note.text)}" for note in run.notes if note.text]
    return [f"    {text}" for text in ([tags] if tags else []) + texts]


def _interval(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else f"[{interval[0]:.4f}, {interval[1]:.4f}]"


def _submissions(submissions: Sequence[Submission]) -> list[str]:
    rows = [("submission", "forecast", "95 %", "public", "private", "")]
    rows += [_row(one) for one in submissions]
    width = [max(len(row[column]) for row in rows) for column in range(5)]
    return [
        "  ".join(
            f"{text:{'<' if column in (0, 2) else '>'}{width[column]}}"
            for column, text in enumerate(row[:5])
        ).rstrip()
        + (f"  {row[5]}" if row[5] else "")
        for row in rows
    ]


def _row(one: Submission) -> tuple[str, str, str, str, str, str]:
    forecast = one.forecast
    value = "-" if forecast is None else f"{forecast.value:.4f}"
    interval = _interval(forecast.interval if forecast else None)
    return one.file, value, interval, _number(one.public), _number(one.private), judgement(one)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def judgement(one: Submission) -> str:
    """Whether each score that came back is within the forecast's interval; "" where nothing tells."""
    if one.forecast is None or one.forecast.interval is None:
        return ""
    low, high = one.forecast.interval
    found = {
        name: "as forecast" if low <= value <= high else "below" if value < low else "above"
        for name, value in (("public", one.public), ("private", one.private))
        if value is not None
    }
    if len(found) < 2:
        return "".join(found.values())
    if found["public"] == found["private"]:
        return f"both {found['public']}"
    return ", ".join(f"{name} {text}" for name, text in found.items())
