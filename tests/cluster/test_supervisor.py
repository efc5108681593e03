"""The failure policy: waiting is reported once, a hung worker is killed, a lost one retried after a
pause.
"""

from pathlib import Path

import pytest

from maskcls.cluster.supervisor import BACKOFF_S, Supervisor
from maskcls.core.outcome import Outcome
from maskcls.store.folder import Folder
from maskcls.store.heartbeat import Heartbeat
from maskcls.store.run import Run
from tests.conftest import Heard
from tests.record_factory import epochs, heartbeat

STALL_S = 60.0
LOOK_EVERY_S = 2.0
LOST = Outcome("transient", "the node is gone")


class Watched:
    """A supervisor of trial 7, with a clock of its own."""

    def __init__(self, run: Path, heard: Heard, retries: int = 3) -> None:
        self.now, self.killed, self.heard = 1000.0, list[int](), heard
        self.fold = Run(Folder.at(run)).fold(0)
        self.supervisor = Supervisor(
            retries, STALL_S, lambda number: f"trial {number}", "a GPU", heard,
            self._kill, lambda: self.now, LOOK_EVERY_S,
        )  # fmt: skip
        self.token = ""

    def _kill(self, beat: Heartbeat) -> None:
        self.killed.append(beat.pid)

    def begin(self) -> None:
        self.token = self.supervisor.begin(7, self.fold).token

    def report(self, pid: int, step: int, *notes: str, token: str | None = None) -> None:
        own = self.token if token is None else token
        beat = heartbeat(pid=pid, step=step, notes=list(notes), token=own)
        self.fold.write_heartbeat(beat)

    def wait(self, seconds: float) -> None:
        """The caller's loop turns ten times a second meanwhile."""
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            self.supervisor.look()


@pytest.fixture
def watched(tmp_path: Path, heard: Heard) -> Watched:
    return Watched(tmp_path, heard)


def test_a_trial_without_a_report_waits_which_is_reported_once(watched: Watched) -> None:
    watched.begin()
    watched.wait(15)
    assert watched.heard.lines == []
    watched.wait(10 * STALL_S)
    assert watched.heard.lines == ["trial 7 waits for a GPU"]
    assert watched.supervisor.is_waiting(7)
    assert watched.killed == []  # who waits does not hang


def test_what_a_worker_notes_is_reported_once(watched: Watched) -> None:
    watched.begin()
    first, second = "node b: decoding 9 images", "resumes from checkpoint epoch-0001"
    for step, notes in enumerate([(first,), (first,), (first, second), (first, second)]):
        watched.report(11, step, *notes)
        watched.wait(5)
    assert watched.heard.lines == [f"trial 7: {first}", f"trial 7: {second}"]


def test_a_silent_trial_is_killed(watched: Watched) -> None:
    watched.begin()
    for step in range(20):
        watched.report(11, step)
        watched.wait(STALL_S / 2)
    assert watched.killed == []
    watched.wait(STALL_S / 2 + 2 * LOOK_EVERY_S)
    assert watched.killed == [11]
    (warning,) = watched.heard.warnings
    assert "trial 7 has reported nothing for 6" in warning
    # Once more only if it is still there after as long again.
    watched.wait(STALL_S / 2)
    assert watched.killed == [11]
    watched.wait(STALL_S)
    assert watched.killed == [11, 11]
    assert watched.heard.lines == []


def test_a_heartbeat_of_another_attempt_counts_for_nothing(watched: Watched) -> None:
    watched.report(11, 5, token="of an earlier start")  # noqa: S106
    watched.begin()
    watched.wait(2 * STALL_S)
    assert (watched.killed, watched.supervisor.heartbeat(7)) == ([], None)
    assert watched.heard.lines == ["trial 7 waits for a GPU"]
    old = watched.token
    watched.report(12, 1)
    watched.wait(5)
    beat = watched.supervisor.heartbeat(7)
    assert beat is not None
    assert beat.pid == 12
    watched.begin()
    # The stale worker continues to report: it neither counts as life nor is it killed in the name of
    # the new.
    for step in range(2, 40):
        watched.report(12, step, token=old)
        watched.wait(STALL_S / 10)
    assert watched.killed == []
    assert watched.supervisor.heartbeat(7) is None
    assert watched.heard.lines == ["trial 7 waits for a GPU"] * 2
    watched.report(13, 1)
    watched.wait(STALL_S + 3 * LOOK_EVERY_S)
    assert watched.killed == [13]


def test_while_the_callers_loop_is_blocked_no_silence_counts(watched: Watched) -> None:
    # It makes pixels of another size, and the workers wait for it to take their reports.
    watched.begin()
    watched.report(11, 1)
    watched.wait(5)
    watched.now += 100 * STALL_S
    watched.supervisor.look()
    watched.wait(STALL_S / 2)
    assert watched.killed == []


def test_what_has_ended_is_looked_at_no_more(watched: Watched) -> None:
    watched.begin()
    watched.report(11, 1)
    watched.wait(5)
    watched.supervisor.end(7)
    watched.wait(3 * STALL_S)
    assert (watched.killed, watched.heard.lines, watched.heard.warnings) == ([], [], [])


def test_storage_that_is_away_is_no_report(watched: Watched) -> None:
    watched.begin()
    watched.report(11, 1)
    watched.wait(5)
    (watched.fold.folder.local_path / "progress.json").unlink()
    watched.wait(STALL_S / 2)
    assert watched.killed == []
    assert watched.heard.lines == []


def test_each_retry_waits_longer_and_they_outlast_an_outage(watched: Watched) -> None:
    pauses = [watched.supervisor.lost(7, watched.fold, LOST) for _ in range(4)]
    assert pauses == [BACKOFF_S, 4 * BACKOFF_S, 16 * BACKOFF_S, None]
    assert sum(pause for pause in pauses if pause) > 90
    assert "infrastructure failure (the node is gone)" in watched.heard.warnings[0]
    assert len(watched.heard.warnings) == 3


def test_failures_count_since_the_last_finished_epoch(watched: Watched) -> None:
    def lost_after(count: int) -> float | None:
        watched.fold.write_history(epochs(*[0.5] * count))
        return watched.supervisor.lost(7, watched.fold, LOST)

    assert watched.supervisor.lost(7, watched.fold, LOST) == BACKOFF_S  # before its first epoch
    factors = [(lost_after(count) or 0) / BACKOFF_S for count in (0, 0, 1, 1, 2, 3, 3, 3, 3)]
    assert factors == [4, 16, 1, 4, 1, 1, 4, 16, 0]


def test_without_retries_the_first_failure_is_the_last(tmp_path: Path, heard: Heard) -> None:
    watched = Watched(tmp_path, heard, retries=0)
    assert watched.supervisor.lost(7, watched.fold, LOST) is None
    assert heard.warnings == []


def test_after_a_gpu_fault_the_node_is_to_be_left(watched: Watched) -> None:
    watched.begin()
    watched.report(11, 1)
    watched.wait(5)
    assert watched.supervisor.bad_node(7) is None
    fault = Outcome("transient", "ECC", leave_node=True, node="bad")
    watched.supervisor.lost(7, watched.fold, fault)
    assert watched.supervisor.bad_node(7) == "bad"  # the worker's own, whoever reported last
    watched.supervisor.lost(7, watched.fold, LOST)
    assert watched.supervisor.bad_node(7) == "bad"
    watched.fold.write_history(epochs(0.5))  # an epoch later it may be used again
    watched.supervisor.lost(7, watched.fold, LOST)
    assert watched.supervisor.bad_node(7) is None


def test_out_of_memory_is_tried_once_more(watched: Watched) -> None:
    outcome = Outcome("transient", "CUDA out of memory", leave_node=True, out_of_memory=True)
    assert watched.supervisor.lost(7, watched.fold, outcome) == BACKOFF_S
    assert watched.supervisor.lost(7, watched.fold, outcome) is None


def test_only_what_trains_is_asked_for_a_checkpoint(watched: Watched) -> None:
    watched.begin()
    assert not watched.supervisor.request_stop(7)
    watched.report(11, 1)
    watched.wait(5)
    assert watched.supervisor.request_stop(7)
    attempt = watched.fold.attempt()
    assert attempt is not None
    assert (attempt.token, attempt.stop) == (watched.token, True)
    assert not watched.supervisor.request_stop(8)


def test_a_fold_in_validation_is_asked_too(watched: Watched) -> None:
    watched.begin()
    watched.fold.write_heartbeat(heartbeat(phase="predicting", token=watched.token))
    watched.wait(5)
    assert watched.supervisor.request_stop(7)
