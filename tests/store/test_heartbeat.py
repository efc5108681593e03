"""What a worker reports: how old it is, of which command, and how it is shown."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from maskcls.core.plain import from_plain, to_plain
from maskcls.core.progress import FoldState
from maskcls.store.heartbeat import Heartbeat
from maskcls.store.run import Run

BEAT = Heartbeat(
    phase="training",
    attempt=2,
    token="t",  # noqa: S106 (no password)
    pid=7,
    node="n",
    worker="w",
    host="h",
    time="2026-01-01T10:00:00.250+00:00",
    gpus=["0"],
    epoch=3,
    step=4,
    steps=9,
    images_per_s=50.5,
    left_s=12.0,
    gpu_idle=0.25,
    notes=["resumes from checkpoint epoch-0002"],
)


def test_it_comes_back_as_it_was() -> None:
    assert from_plain(Heartbeat, json.loads(json.dumps(to_plain(BEAT)))) == BEAT


def test_its_age_is_by_its_own_time() -> None:
    ago = datetime.now(UTC) - timedelta(seconds=90)
    beat = replace(BEAT, time=ago.isoformat(timespec="milliseconds"))
    assert 90 <= beat.age_s() < 150


@pytest.mark.parametrize(
    ("started", "before"),
    [
        ("2026-01-01T10:00:00+00:00", False),
        ("2026-01-01T10:00:01+00:00", True),
        ("2026-01-01T11:00:00+01:00", False),  # the same instant as the first
        ("2026-01-01T10:30:00+01:00", False),
    ],
)
def test_whether_it_is_of_an_earlier_command(started: str, before: bool) -> None:
    assert BEAT.is_before(started) == before


def test_it_is_shown_in_the_state_of_its_fold() -> None:
    state = FoldState(0, 10, note="waits for a GPU")
    BEAT.show_in(state)
    assert (state.phase, state.note) == ("training", "")
    assert (state.epoch, state.step, state.steps) == (3, 4, 9)
    assert (state.images_per_s, state.left_s) == (50.5, 12.0)


def test_a_fold_without_one_has_none(tmp_path: Path) -> None:
    fold = Run.at(str(tmp_path)).fold(0)
    assert fold.heartbeat() is None
    fold.write_heartbeat(BEAT)
    assert fold.heartbeat() == BEAT


@pytest.mark.parametrize("content", [b"", b"{", b'{"phase": "training"}', b"\xff", b"[]", b"null"])
def test_one_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    fold = Run.at(str(tmp_path)).fold(0)
    fold.folder.write_bytes("progress.json", content)
    assert fold.heartbeat() is None
