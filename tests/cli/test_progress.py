"""Progress as plain lines and as a live table."""

import io
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TextIO

import pytest

from maskcls.cli.progress import PlainProgress, TerminalProgress, make_progress
from maskcls.core.history import EpochEntry
from maskcls.core.progress import FoldState, Progress
from maskcls.core.task import MetricName
from tests.record_factory import epoch

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def _history(num_epochs: int) -> list[EpochEntry]:
    return [
        epoch(
            e,
            0.431 if e == 2 else 0.4 / e,
            train_loss=0.812 / e,
            metrics={"macro_f1": 0.431 if e == 2 else 0.4 / e, "accuracy": 0.6},
            images_per_s=1043.2,
        )
        for e in range(1, num_epochs + 1)
    ]


def _lines(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def test_an_epoch_is_one_line_as_soon_as_it_is_in_the_history() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)

    progress.folds([FoldState(2, 20, "training", 1)])
    assert _lines(stream) == []
    progress.folds([FoldState(2, 20, "training", 2, left_s=530.2, history=_history(1))])
    assert len(_lines(stream)) == 1
    progress.folds([FoldState(2, 20, "training", 2, left_s=530.2, history=_history(1))])
    progress.folds([FoldState(2, 20, "training", 3, left_s=512.4, history=_history(2))])

    assert _lines(stream) == [
        "fold 2 epoch 1/20 loss=0.812 macro_f1=0.4 accuracy=0.6 images_per_s=1043 left_s=530",
        "fold 2 epoch 2/20 loss=0.406 macro_f1=0.431 accuracy=0.6 images_per_s=1043 left_s=512",
    ]


def test_time_left_stands_only_on_the_newest_of_several_new_epochs() -> None:
    stream = io.StringIO()
    PlainProgress(stream).folds([FoldState(0, 3, "training", 3, left_s=9, history=_history(2))])
    first, second = _lines(stream)
    assert "left_s" not in first
    assert second.endswith("left_s=9")


def test_changes_of_phase_are_reported_once_each() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    for state in (
        FoldState(3, 2),
        FoldState(3, 2, "waiting", note="waits for a GPU"),
        FoldState(3, 2, "waiting", note="waits for a GPU"),
        FoldState(3, 2, "starting"),
        FoldState(3, 2, "training", 1),
        FoldState(3, 2, "starting", attempt=2),
        FoldState(3, 2, "training", 1, attempt=2),
        FoldState(3, 2, "predicting", 2, attempt=2),
        FoldState(3, 2, "done", 2, attempt=2),
        FoldState(3, 2, "done", 2, attempt=2),
    ):
        progress.folds([state])
    assert _lines(stream) == [
        "fold 3 waits for a GPU",
        "fold 3 starts",
        "fold 3 starts (attempt 2)",
        "fold 3 predicts",
        "fold 3 done",
    ]


def test_a_fold_that_waits_a_second_time_says_so_again() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    waiting = FoldState(0, 2, "waiting", note="waits for a GPU")
    for state in (waiting, FoldState(0, 2, "training", 1), waiting):
        progress.folds([state])
    assert _lines(stream) == ["fold 0 waits for a GPU"] * 2


def test_a_done_fold_reports_its_best_epoch_and_a_failed_one_why() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.folds([FoldState(0, 3, "training", 3), FoldState(1, 3, "training", 1)])
    progress.folds(
        [
            FoldState(0, 3, "done", 3, history=_history(3)),
            FoldState(1, 3, "failed", note="out of memory:\n  tried 64"),
        ]
    )
    assert _lines(stream)[-2:] == [
        "fold 0 done: best_epoch=2 macro_f1=0.431",
        "fold 1 failed: out of memory: tried 64",
    ]


def test_another_metric_is_named_and_has_its_own_sign() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    entry = epoch(1, -0.35, metrics={"log_loss": 0.35, "auc": 0.9})
    progress.folds([FoldState(0, 1, "training", history=[entry], metric="log_loss")])
    progress.folds([FoldState(0, 1, "done", history=[entry], metric="log_loss")])
    assert _lines(stream) == [
        "fold 0 epoch 1/1 loss=1.25 log_loss=0.35 auc=0.9 images_per_s=90",
        "fold 0 done: best_epoch=1 log_loss=0.35",
    ]


def test_a_fold_that_was_done_before_is_not_replayed() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.folds([FoldState(0, 3, "done", 3, history=_history(3))])
    progress.folds([FoldState(0, 3, "done", 3, history=_history(3))])
    assert _lines(stream) == ["fold 0 is done already: macro_f1=0.431"]


def test_a_second_run_with_the_same_listener_is_reported_from_its_start() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.folds([FoldState(0, 2, "training", history=_history(2))])
    before = len(_lines(stream))
    progress.folds([FoldState(0, 2, "training")])
    progress.folds([FoldState(0, 2, "training", history=_history(1))])
    assert _lines(stream)[before:] == [_lines(stream)[0]]


def test_an_entry_without_a_number_is_reported_without_it() -> None:
    stream = io.StringIO()
    entry = epoch(1, None, train_loss=float("nan"))
    PlainProgress(stream).folds([FoldState(0, 1, "training", history=[entry])])
    assert _lines(stream) == ["fold 0 epoch 1/1 loss=nan images_per_s=90"]


def test_a_count_is_reported_every_ten_seconds_and_at_its_end() -> None:
    stream, now = io.StringIO(), 0.0
    progress = PlainProgress(stream, clock=lambda: now)
    for done in range(0, 26):
        now = float(done)
        progress.count("images decoded", done, 25)
    progress.count("images decoded", 25, 25)
    assert _lines(stream) == [f"images decoded {n}/25" for n in (10, 20, 25)]


def test_what_repeats_itself_is_said_once() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    for _ in range(2):
        progress.say("run runs/a")
        progress.warn("3 images cannot be read")
    progress.say("run runs/b")
    assert _lines(stream) == ["run runs/a", "warning: 3 images cannot be read", "run runs/b"]


def test_plain_lines_hold_no_control_character() -> None:
    stream = io.StringIO()
    with PlainProgress(stream) as progress:
        progress.say("a\x1b[2J\tb\r\nc")
        progress.folds([FoldState(0, 1, "failed", note="\x07bell\x1b[31m")])
    assert all(line.isprintable() for line in _lines(stream))
    assert _lines(stream) == ["a?[2J b", "c", "fold 0 failed: ?bell?[31m"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_characters_that_the_stream_lacks_do_not_raise(encoding: str) -> None:
    raw = io.BytesIO()
    with PlainProgress(io.TextIOWrapper(raw, encoding)) as progress:
        progress.say("사진 \udcff ok")
        text = raw.getvalue().decode(encoding)
    # A lone surrogate is no character of any encoding; whatever is one is escaped where it lacks.
    assert text.endswith(" ? ok\n")
    assert text.startswith("사진" if encoding == "utf-8" else "\\uc0ac\\uc9c4")


def test_a_stream_that_is_gone_is_left_alone() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", buffering=1) as stream:
        progress = make_progress(stream)
        progress.say("no reader")
        progress.warn("nor this")
        progress.close()
        assert isinstance(progress, PlainProgress)
        os.dup2(os.open(os.devnull, os.O_WRONLY), write)  # so that closing it can flush
    closed = io.StringIO()
    closed.close()
    make_progress(closed).say("nor this")


@contextmanager
def _terminal() -> Iterator[tuple[TextIO, list[bytes]]]:
    """A terminal to write to, and what it received, complete once the block is left."""
    ours, theirs = os.openpty()
    received: list[bytes] = []

    def listen() -> None:
        try:
            while data := os.read(ours, 65536):
                received.append(data)
        except OSError:  # Linux' way to say that the other side is closed
            return

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        with os.fdopen(theirs, "w", encoding="utf-8") as stream:
            yield stream, received
    finally:
        listener.join()
        os.close(ours)


@pytest.fixture
def color_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of an ordinary terminal."""
    for name in ("NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def _five() -> list[FoldState]:
    return [
        FoldState(0, 20, "done", 20, history=_history(20)),
        FoldState(1, 20, "training", 3, 33, 260, 987.0, 3723.0, history=_history(2)),
        FoldState(2, 20, "predicting", 20, history=_history(20)),
        FoldState(3, 20, "waiting", note="waits for a GPU"),
        FoldState(4, 20, "failed", 2, attempt=2, note="[red]out of memory[/red]"),
    ]


@pytest.mark.usefixtures("color_terminal")
@pytest.mark.parametrize("columns", [80, 100])
def test_the_table_has_a_row_for_each_of_five_folds(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    with _terminal() as (stream, received), make_progress(stream) as progress:
        assert isinstance(progress, TerminalProgress)
        progress.say("run runs/a [x]")
        progress.count("images decoded", 50, 100)
        progress.folds(_five())
        progress.warn("fold 4 failed")
    text = _ESCAPES.sub("", b"".join(received).decode()).replace("\r", "\n")
    rows = [line.split() for line in text.splitlines()]
    for fold, phase in enumerate(("done", "training", "predicting", "waiting", "failed")):
        assert any(row[:2] == [str(fold), phase] for row in rows)
    training = next(row for row in rows if row[:2] == ["1", "training"])
    assert {"3/20", "987", "0.406", "0.431", "(2)", "1h02m"} <= set(training)
    assert ("33/260" in training) == (columns == 100)
    assert "fold 3: waits for a GPU" in text
    assert "[red]out of memory[/red]" in text
    assert "run runs/a [x]" in text
    assert "warning: fold 4 failed" in text
    assert "50/100" in text
    assert max(len(line) for line in text.splitlines()) <= columns


@pytest.mark.usefixtures("color_terminal")
@pytest.mark.parametrize(
    ("metric", "titles", "shown"),
    [
        ("macro_f1", "F1  best F1", "-0.35"),
        ("log_loss", "log loss  best", "0.35"),
        ("quadratic_kappa", "kappa  best", ""),
    ],
)
def test_the_table_names_the_metric(
    metric: MetricName, titles: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    entry = epoch(1, -0.35 if shown else None, metrics={})
    with _terminal() as (stream, received), make_progress(stream) as progress:
        progress.folds([FoldState(0, 20, "training", 2, 3, 260, history=[entry], metric=metric)])
    text = _ESCAPES.sub("", b"".join(received).decode()).replace("\r", "\n")
    assert f" {titles}  left" in re.sub(" {2,}", "  ", text)
    assert ("(1)" in text) == bool(shown)
    assert f"  {shown} (1)" in text or not shown
    assert max(len(line) for line in text.splitlines()) <= 80


@pytest.mark.usefixtures("color_terminal")
def test_the_cursor_comes_back_when_an_exception_ends_the_command() -> None:
    with _terminal() as (stream, received):
        progress = make_progress(stream)

        def command() -> None:
            with progress:
                progress.folds(_five())
                raise KeyError

        with pytest.raises(KeyError):
            command()
        progress.folds(_five())  # after its end it draws nothing
        progress.close()
    written = b"".join(received)
    hidden, shown = b"\x1b[?25l", b"\x1b[?25h"
    assert written.count(hidden) == 1
    assert written.rindex(shown) > written.rindex(hidden)
    assert written.count(b"predicting") <= 2  # drawn once, and once more at the end


@pytest.mark.usefixtures("color_terminal")
def test_a_terminal_that_knows_ascii_only_gets_a_table() -> None:
    with (
        _terminal() as (stream, received),
        os.fdopen(os.dup(stream.fileno()), "w", encoding="ascii") as narrow,
        make_progress(narrow) as progress,
    ):
        progress.folds([FoldState(0, 2, "failed", note="사진")])
    assert rb"fold 0: \uc0ac\uc9c4" in b"".join(received)


@pytest.mark.usefixtures("color_terminal")
def test_a_live_view_that_fails_goes_on_in_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object) -> None:
        raise RuntimeError("no such terminal")

    monkeypatch.setattr(TerminalProgress, "_view", broken)
    with _terminal() as (stream, received), make_progress(stream) as progress:
        progress.folds([FoldState(0, 2, "training", history=_history(1))])
        progress.say("still here")
    text = b"".join(received).decode()
    assert "warning: the live view failed (RuntimeError: no such terminal)" in text
    assert "fold 0 epoch 1/2 loss=0.812" in text
    assert "still here" in text


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(
    term: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    with _terminal() as (stream, _):
        assert isinstance(make_progress(stream), PlainProgress)


def test_both_are_what_commands_ask_for() -> None:
    listeners: list[Progress] = [PlainProgress(io.StringIO()), TerminalProgress(io.StringIO())]
    for listener in listeners:
        listener.say("ok")


def test_with_keep_last_the_last_epoch_is_shown_as_kept() -> None:
    best = FoldState(0, 2, "done", 2, history=_history(2))
    best.history = [replace(e, score=s) for e, s in zip(best.history, (0.9, 0.2), strict=True)]
    last = replace(best, keep="last")
    for state, line in ((best, "best_epoch=1 macro_f1=0.9"), (last, "last_epoch=2 macro_f1=0.2")):
        stream = io.StringIO()
        progress = PlainProgress(stream)
        progress.folds([replace(state, phase="predicting")])
        progress.folds([state])
        assert f"done: {line}" in stream.getvalue()
