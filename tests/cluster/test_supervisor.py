"""The watch over running trials: who waits is told once, who hangs is killed, and nobody else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from maskcls.cluster.supervisor import LOOK_EVERY_S, TrialWatch
from maskcls.config.values import Crop, Size
from maskcls.pixels.cache import CachePlace
from maskcls.pixels.geometry import Geometry
from maskcls.store import run_files
from maskcls.store.paths import Folder
from maskcls.training.job import FoldJob
from tests.conftest import Heard

STALL_S = 60.0
GEOMETRY = Geometry(Crop(None), Size(8, 8))


class Watched:
    """A watch over trial 7 with a clock of its own."""

    def __init__(self, run: Path, heard: Heard) -> None:
        self.now, self.killed, self.heard = 1000.0, list[int](), heard
        self.run = Folder.at(run)
        self.watch = TrialWatch(STALL_S, "a GPU", heard, self._kill, lambda: self.now)
        place = CachePlace(run, "key", 1, GEOMETRY)
        self.job = FoldJob(self.run.location, str(run), 0, {}, place, None, "cpu", 1)

    def _kill(self, told: Mapping[str, Any]) -> None:
        self.killed.append(told["pid"])

    def tell(self, pid: int, step: int, *notes: str) -> None:
        told = {"phase": "training", "pid": pid, "node": "n", "step": step, "notes": notes}
        run_files.fold_folder(self.run, 0).write_json("progress.json", told)

    def wait(self, seconds: float) -> None:
        """Tune's loop turns ten times a second meanwhile."""
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            self.watch.look()


@pytest.fixture
def watched(tmp_path: Path, heard: Heard) -> Watched:
    return Watched(tmp_path, heard)


def test_a_trial_without_a_word_waits_and_is_told_once(watched: Watched) -> None:
    watched.watch.begin(7, watched.job)
    watched.wait(15)
    assert watched.heard.lines == []
    watched.wait(10 * STALL_S)
    assert watched.heard.lines == ["trial 7 waits for a GPU"]
    assert watched.killed == []  # who waits does not hang


def test_what_a_trial_notes_is_said_once(watched: Watched) -> None:
    watched.watch.begin(7, watched.job)
    first, second = "machine b: decoding 9 images", "fold 0 goes on from checkpoint epoch-0001"
    for step, notes in enumerate([(first,), (first,), (first, second), (first, second)]):
        watched.tell(11, step, *notes)
        watched.wait(5)
    assert watched.heard.lines == [f"trial 7: {first}", f"trial 7: {second}"]


def test_a_trial_that_tells_nothing_for_long_is_killed(watched: Watched) -> None:
    watched.watch.begin(7, watched.job)
    for step in range(20):
        watched.tell(11, step)
        watched.wait(STALL_S / 2)
    assert watched.killed == []
    watched.wait(STALL_S / 2 + 2 * LOOK_EVERY_S)
    assert watched.killed == [11]
    (warning,) = watched.heard.warnings
    assert "trial 7 has told nothing for 6" in warning
    # Once more only if it is still there after as long again.
    watched.wait(STALL_S / 2)
    assert watched.killed == [11]
    watched.wait(STALL_S)
    assert watched.killed == [11, 11]
    assert watched.heard.lines == []


def test_what_an_earlier_attempt_told_says_nothing_of_the_next(watched: Watched) -> None:
    watched.tell(11, 5)  # of an earlier start of the command
    watched.watch.begin(7, watched.job)
    watched.wait(2 * STALL_S)
    assert watched.killed == []
    assert watched.heard.lines == ["trial 7 waits for a GPU"]
    watched.tell(12, 1)
    watched.wait(5)
    watched.watch.again(7)
    # The pid may be another process's by now.
    watched.wait(2 * STALL_S)
    assert watched.killed == []
    assert watched.heard.lines == ["trial 7 waits for a GPU"] * 2
    watched.tell(13, 1)
    watched.wait(STALL_S + 2 * LOOK_EVERY_S)
    assert watched.killed == [13]


def test_a_trial_lost_before_a_word_may_be_tried_twice(watched: Watched) -> None:
    watched.tell(11, 5)
    watched.watch.begin(7, watched.job)
    watched.watch.again(7)
    watched.watch.again(7)
    watched.wait(2 * STALL_S)
    assert watched.killed == []


def test_while_tunes_loop_stands_still_nobody_hangs(watched: Watched) -> None:
    # It makes pixels of another size, and the trials wait for it to take their reports.
    watched.watch.begin(7, watched.job)
    watched.tell(11, 1)
    watched.wait(5)
    watched.now += 100 * STALL_S
    watched.watch.look()
    watched.wait(STALL_S / 2)
    assert watched.killed == []


def test_who_has_ended_is_looked_at_no_more(watched: Watched) -> None:
    watched.watch.begin(7, watched.job)
    watched.tell(11, 1)
    watched.wait(5)
    watched.watch.end(7)
    watched.wait(3 * STALL_S)
    assert (watched.killed, watched.heard.lines, watched.heard.warnings) == ([], [], [])


def test_storage_that_is_away_is_no_news(watched: Watched) -> None:
    watched.watch.begin(7, watched.job)
    watched.tell(11, 1)
    watched.wait(5)
    (Path(watched.run.location) / "fold-0/progress.json").unlink()
    watched.wait(STALL_S / 2)
    assert watched.killed == []
    assert watched.heard.lines == []
