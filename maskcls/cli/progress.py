"""How a command reports what it does: a live table in a terminal, plain lines anywhere else.

Both end with close(), or as a context manager. Neither raises because of the stream it writes to: a
character that it cannot show becomes an escape, and a closed stream is no longer written to.
"""

import atexit
import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TextIO, cast

from maskcls.core.history import EpochEntry, best_of
from maskcls.core.metrics import TITLES, oriented
from maskcls.core.progress import FoldState
from maskcls.core.task import MetricName

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

COUNT_EVERY_S = 10.0
"""Minimum time between two plain lines about the same count [s]."""
# Counts may change much faster than a terminal, perhaps over SSH, can redraw.
_DRAW_EVERY_S = 0.1
# Beside four other columns; a longer title would make the table wider than many a terminal.
_SHORT: dict[MetricName, str] = {
    "macro_f1": "F1",
    "balanced_accuracy": "balanced",
    "quadratic_kappa": "kappa",
}
_STYLES = {"done": "green", "failed": "bold red", "waiting": "dim"}


def make_progress(stream: TextIO | None = None) -> "PlainProgress | TerminalProgress":
    """The live table if the stream is a terminal that can move its cursor, else plain lines.

    stream: None is sys.stderr as it is now.
    """
    # stderr, since stdout has the result. Looked up now: a default argument would be bound at import.
    stream = sys.stderr if stream is None else stream
    if not _Lenient(stream).isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        return PlainProgress(stream)
    return TerminalProgress(stream)


class _Lenient(io.TextIOBase):
    """A stream that escapes what its encoding lacks and writes nothing once it is closed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._gone = False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        shown = text.encode(self.encoding, "backslashreplace").decode(self.encoding)
        self._unless_gone(lambda: self._stream.write(shown))
        return len(text)

    def flush(self) -> None:
        self._unless_gone(self._stream.flush)

    def isatty(self) -> bool:
        try:
            return self._stream.isatty()
        except ValueError:  # closed
            return False

    def fileno(self) -> int:
        return self._stream.fileno()

    def _unless_gone(self, action: Callable[[], object]) -> None:
        if self._gone:
            return
        try:
            action()
        except (OSError, ValueError):  # broken pipe, closed terminal, closed file
            # Training of hours does not end because its terminal was closed.
            self._gone = True


@dataclass
class _Reported:
    """What was printed about a fold: lines of its history, and the last event."""

    epochs: int = 0
    event: str = ""


class PlainProgress:
    """Plain lines without control characters: one per finished epoch and per change that matters.

    A line that would repeat the one before it on the same subject is left out.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = _Lenient(stream)
        self._clock = clock
        self._reported: dict[int, _Reported] = {}
        self._last: dict[str, str] = {}
        self._counted_at: dict[str, float] = {}

    def say(self, text: str) -> None:
        """Print the text, unless it repeats the last one."""
        self._lines("say", text)

    def warn(self, text: str) -> None:
        """Print the text as a warning, unless it repeats the last one."""
        self._lines("warn", f"warning: {text}")

    def count(self, what: str, done: int, total: int) -> None:
        """Print "what done/total", at most every COUNT_EVERY_S, and at the end."""
        now = self._clock()
        # The interval begins with the first call, or every count would begin with a line.
        begun = self._counted_at.setdefault(what, now)
        if done >= total > 0 or now - begun >= COUNT_EVERY_S:
            self._counted_at[what] = now
            self._lines(f"count {what}", f"{what} {done}/{total}")

    def folds(self, states: Sequence[FoldState]) -> None:
        """Print what is new since the last call."""
        for state in states:
            known = self._reported.get(state.fold)
            if known is None and state.phase == "done":
                # Finished before this command: one line instead of all its epochs.
                self._reported[state.fold] = _Reported(len(state.history), _event(state))
                best = _best_of(state)
                score = f": {state.metric}={best[1]}" if best else ""
                self._lines("", f"fold {state.fold} is done already{score}")
                continue
            if known is None or len(state.history) < known.epochs:  # another run, or restarted
                known = self._reported[state.fold] = _Reported()
            for entry in state.history[known.epochs :]:
                # After a pause several epochs are new; the time left is that of the last one only.
                last = entry is state.history[-1]
                self._lines("", _epoch_line(state, entry, state.left_s if last else None))
            known.epochs = len(state.history)
            event = _event(state)
            if event and event != known.event:
                self._lines("", f"fold {state.fold} {event}")
            if event or state.phase == "training":  # a fold that waits again says so again
                known.event = event

    def close(self) -> None:
        """Flush; there is nothing to release, but either kind can be closed."""
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _lines(self, topic: str, text: str) -> None:
        """Print the text unless it is the topic's last; topic "": always."""
        if topic and self._last.get(topic) == text:
            return
        self._last[topic] = text
        for line in text.splitlines():
            self._stream.write(_printable(line).rstrip() + "\n")
        # A pipe is buffered, and a log would lag by kilobytes behind the training.
        self._stream.flush()


class TerminalProgress:
    """A live table with a row per fold; texts and warnings stay above it."""

    def __init__(self, stream: TextIO) -> None:
        # Imported here: a command whose stderr is piped never needs rich.
        from rich.console import Console

        self._stream = stream
        self._console = Console(
            # No highlight: rich would colour numbers and paths within messages.
            file=cast(TextIO, _Lenient(stream)),
            force_terminal=True,
            highlight=False,
        )
        self._live: Any = None
        self._closed = False
        self._plain: PlainProgress | None = None
        self._states: Sequence[FoldState] = ()
        self._counts: dict[str, tuple[int, int]] = {}
        self._drawn_at = 0.0

    def say(self, text: str) -> None:
        """Print the text above the table."""
        self._guarded(lambda: self._print(text, ""), lambda plain: plain.say(text))

    def warn(self, text: str) -> None:
        """Print the text as a warning above the table."""
        self._guarded(
            lambda: self._print(f"warning: {text}", "yellow"), lambda plain: plain.warn(text)
        )

    def count(self, what: str, done: int, total: int) -> None:
        """Show a bar below the table; a full one stays."""
        # Kept, since each drawing replaces the whole view.
        self._counts[what] = (done, total)
        # The last count is always drawn, or a full bar would look unfinished.
        soon = time.monotonic() - self._drawn_at < _DRAW_EVERY_S
        if done >= total or not soon:
            self._guarded(self._draw, lambda plain: plain.count(what, done, total))

    def folds(self, states: Sequence[FoldState]) -> None:
        """Show the folds as they are now."""
        self._states = states
        self._guarded(self._draw, lambda plain: plain.folds(states))

    def close(self) -> None:
        """Leave the last table on the screen and show the cursor again; further calls do nothing."""
        live, self._live, self._closed = self._live, None, True
        atexit.unregister(self.close)
        if live is not None:
            # Whatever the terminal fails with: the result is printed after this.
            with contextlib.suppress(Exception):
                live.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _guarded(self, draw: Callable[[], None], in_lines: Callable[[PlainProgress], None]) -> None:
        """Draw; if rich fails, use plain lines from then on: a run must not fail with its display."""
        if self._plain is None:
            try:
                draw()
                return
            except Exception as e:
                self.close()
                self._plain = PlainProgress(self._stream)
                self._plain.warn(f"the live view failed ({type(e).__name__}: {e})")
        in_lines(self._plain)

    def _print(self, text: str, style: str) -> None:
        from rich.text import Text

        # As Text: brackets in a message are no markup. Soft-wrapped, so that a copied path is whole.
        shown = "\n".join(_printable(line) for line in text.splitlines())
        self._console.print(Text(shown, style=style), soft_wrap=True)

    def _draw(self) -> None:
        # A late report must not hide the cursor again.
        if self._closed:
            return
        if self._live is None:
            from rich.live import Live

            # Other prints to a stream that shows on this terminal go above the table. A stream that is
            # piped is left alone, or results would appear on the screen instead.
            ours = self._stream in (sys.stderr, sys.stdout)
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                redirect_stdout=ours and _Lenient(sys.stdout).isatty(),
                redirect_stderr=ours and _Lenient(sys.stderr).isatty(),
            )
            atexit.register(self.close)  # or the cursor would stay hidden after the command
            self._live.start()
        self._live.update(self._view(), refresh=True)
        self._drawn_at = time.monotonic()

    def _view(self) -> "RenderableType":
        from rich.console import Group
        from rich.text import Text

        parts: list[RenderableType] = []
        if self._states:
            parts.append(_fold_table(self._states, self._console.width))
            # Below the table: in an 80-column terminal, a column for notes would have four letters.
            noted = [s for s in self._states if s.note]
            parts += [Text(f"fold {s.fold}: {_printable(one_line(s.note))}") for s in noted]
        if self._counts:
            parts.append(_count_table(self._counts))
        return Group(*parts)


def _fold_table(states: Sequence[FoldState], width: int) -> "Table":
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    bars, steps = width >= 72, width >= 88  # left out in a narrow terminal
    # no_wrap: a cell in two lines would make the table jump.
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    table.add_column("fold", justify="right", no_wrap=True)
    table.add_column("phase", no_wrap=True)
    table.add_column("epoch", justify="right", no_wrap=True)
    if bars:
        table.add_column("", no_wrap=True, width=10)
    if steps:
        table.add_column("step", justify="right", no_wrap=True)
    # All folds are of one task.
    title = _SHORT.get(states[0].metric, TITLES[states[0].metric])
    # Repeated only where it is short: the table has to fit into 80 columns.
    word = "best" if states[0].keep == "best" else "kept"
    best_title = f"{word} {title}" if len(title) < 4 else word
    for name in ("img/s", "loss", title, best_title, "left"):
        table.add_column(name, justify="right", no_wrap=True)
    for s in states:
        last, best = (s.history[-1] if s.history else None), _best_of(s)
        # While the best epoch predicts, training is over, also when it stopped early.
        done = float(s.epochs if s.phase in ("done", "predicting") else len(s.history))
        if s.phase == "training" and s.steps:
            done = max(s.epoch - 1, 0) + s.step / s.steps
        phase = s.phase if s.attempt == 1 else f"{s.phase} ({s.attempt})"
        row: list[RenderableType] = [str(s.fold), Text(phase, _STYLES.get(s.phase, ""))]
        row.append(f"{s.epoch}/{s.epochs}")
        if bars:
            row.append(ProgressBar(total=max(s.epochs, 1), completed=done, width=10))
        if steps:
            row.append(f"{s.step}/{s.steps}" if s.steps else "")
        # Between epochs and after the end, the speed of the last epoch.
        rate = s.images_per_s if s.images_per_s is not None else last and last.images_per_s
        row += [number(rate), number(last and last.train_loss)]
        row += [
            number(last and last.metrics.get(s.metric)),
            f"{best[1]} ({best[0]})" if best else "",
        ]
        row += [_duration(s.left_s)]
        table.add_row(*row)
    return table


def _count_table(counts: dict[str, tuple[int, int]]) -> "Table":
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    for what, (done, total) in counts.items():
        bar = ProgressBar(total=max(total, 1), completed=done, width=24)
        table.add_row(Text(_printable(what)), bar, f"{done}/{total}")
    return table


def number(value: object) -> str:
    """Three figures, whole above 100; empty for what is not a number."""
    if not isinstance(value, float | int):
        return ""
    # Beyond 1e9 whole numbers would be wider than a column.
    return f"{value:.0f}" if 100 <= abs(value) < 1e9 else f"{value:.3g}"


def _best_of(state: FoldState) -> tuple[int, str] | None:
    """The epoch kept so far, as a rule the best, and its metric as shown; None without a score."""
    best = best_of(state.history, state.keep)
    if best is None or best.score is None:
        return None
    return best.epoch, number(oriented(state.metric, best.score))


def one_line(text: str) -> str:
    """The text with each sequence of white space as one space."""
    return " ".join(text.split())


def _epoch_line(state: FoldState, entry: EpochEntry, left_s: float | None) -> str:
    pairs: dict[str, float | None] = {
        "loss": entry.train_loss,
        **{str(name): value for name, value in entry.metrics.items()},
        "images_per_s": entry.images_per_s,
        "left_s": None if left_s is None else round(left_s),
    }
    pairs_text = "".join(
        f" {name}={number(value)}" for name, value in pairs.items() if number(value)
    )
    return f"fold {state.fold} epoch {entry.epoch}/{state.epochs}{pairs_text}"


def _event(state: FoldState) -> str:
    """The fold's phase as the end of a sentence; "" while its epochs are reported anyway."""
    note, again = one_line(state.note), f" (attempt {state.attempt})"
    match state.phase:
        case "waiting":
            return note
        case "starting":
            return "starts" + (again if state.attempt > 1 else "")
        case "training":
            return ""
        case "predicting":
            return "predicts"
        case "done":
            best = _best_of(state)
            if best is None:
                return "done"
            return f"done: {state.keep}_epoch={best[0]} {state.metric}={best[1]}"
        case "stopped":  # by maskcls status alone
            return "stopped"
        case "failed":
            return f"failed: {note}" if note else "failed"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}h{m:02d}m" if hours else f"{m}m{s:02d}s" if m else f"{s}s"


def _printable(line: str) -> str:
    """The line with every control character, such as an escape sequence's first, as "?"."""
    # File names and errors come from outside: an escape sequence could change the terminal.
    return "".join(c if c.isprintable() else " " if c == "\t" else "?" for c in line)
