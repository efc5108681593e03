"""Ray Tune: ASHA knows earlier scores and ends no trial at its last epoch; reports to the command."""

import threading
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from maskcls.config.resolve import resolve
from maskcls.config.values import Crop, Size
from maskcls.core.outcome import Outcome
from maskcls.pixels.cache import CachePlace
from maskcls.pixels.geometry import Geometry
from maskcls.store.folder import Folder
from maskcls.store.run import Fold, Run
from maskcls.training.job import FoldJob
from tests.conftest import Heard
from tests.record_factory import epochs, heartbeat
from tests.tasks import MASK

pytestmark = pytest.mark.slow  # importing Ray Tune takes seconds


@dataclass
class Trial:
    """As much of a Tune trial as a scheduler looks at."""

    trial_id: str
    config: dict[str, Any] = field(default_factory=dict)


def trials_of(known: dict[int, list[float]], **changes: Any) -> Any:
    """Trials whose earlier scores are known."""
    from maskcls.cluster.tune import Trials

    given: dict[str, Any] = {
        "propose": lambda: None, "epoch_done": lambda number: None,
        "ended": lambda number, fault: None, "lost": lambda number, why: None,
        "known": known,
        "first_rung": 1, "reduction": 2, "resources": {}, "waits_for": "a GPU", "at_once": 1,
        "max_epochs": 4, "retries": 1, "stall_s": 60.0, "look_every_s": 2.0, "progress": None,
        "check_lease": lambda: None,
    }  # fmt: skip
    return Trials(**given | changes)


def decisions(
    known: dict[int, list[float]],
    number: int,
    scores: list[float],
    start: int = 0,
    epochs: int = 4,
) -> str:
    from maskcls.cluster.tune import _Asha

    asha = _Asha(trials_of(known))
    trial = Trial("x", {"number": number})
    asha.on_trial_add(None, trial)
    reported = ""
    for epoch, score in enumerate(scores[start:], start + 1):
        result = {"epoch": epoch, "score": score, "last": epoch == epochs}
        reported += "S" if asha.on_trial_result(None, trial, result) == "STOP" else "c"
        if reported[-1] == "S":
            break
    return reported


def test_a_weak_trial_is_ended_by_what_earlier_starts_knew() -> None:
    known = {0: [0.5, 0.6, 0.6, 0.6], 1: [0.4, 0.5, 0.5, 0.5]}
    assert decisions(known, 2, [0.1, 0.2, 0.3, 0.4]) == "S"
    assert decisions(known, 2, [0.6, 0.7, 0.7, 0.7]) == "cccc"
    assert decisions({}, 2, [0.1, 0.2, 0.3, 0.4]) == "cccc"


def test_no_trial_is_ended_at_the_last_epoch() -> None:
    known = {0: [0.1, 0.1, 0.1, 0.9], 1: [0.1, 0.1, 0.1, 0.8]}
    assert decisions(known, 2, [0.2, 0.2, 0.2, 0.2]) == "cccc"


def test_no_trial_is_ended_at_its_own_last_epoch() -> None:
    # train.epochs is searched: the others have four, this one two, and epoch 2 is a rung.
    known = {0: [0.1, 0.8, 0.8, 0.9], 1: [0.1, 0.7, 0.7, 0.8]}
    assert decisions(known, 2, [0.2, 0.2], epochs=2) == "cc"
    assert decisions(known, 2, [0.2, 0.2]) == "cS"


def test_the_score_of_a_last_epoch_counts_for_others() -> None:
    from maskcls.cluster.tune import _Asha

    asha = _Asha(trials_of({}))
    reported = []
    for number, last in ((0, True), (1, False)):
        trial = Trial(f"trial {number}", {"number": number})
        asha.on_trial_add(None, trial)
        result = {"epoch": 2, "score": 0.9 if last else 0.1, "last": last}
        reported.append(asha.on_trial_result(None, trial, result))
    assert reported == ["CONTINUE", "STOP"]


def test_a_resumed_trial_keeps_its_rungs() -> None:
    # Its own first score is known already and is not held against it twice.
    known = {0: [0.5, 0.6], 1: [0.4, 0.5], 2: [0.45]}
    assert decisions(known, 2, [0.45, 0.7, 0.7, 0.7], start=1) == "ccc"
    assert decisions(known, 2, [0.45, 0.1, 0.7, 0.7], start=1) == "S"


@dataclass
class Ended:
    """As much of a Tune trial as a listener looks at."""

    config: dict[str, Any]
    status: str = "TERMINATED"
    last_result: dict[str, Any] | None = None
    error_file: str | None = None


@dataclass
class Reported:
    """What is reported to the command about trials."""

    ended: list[tuple[int, str | None]] = field(default_factory=list)
    lost: list[tuple[int, str]] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)

    def trials(self, heard: Heard, jobs: dict[int, FoldJob]) -> Any:
        waiting = sorted(jobs.items())
        return trials_of(
            {}, propose=lambda: waiting.pop(0) if waiting else None,
            epoch_done=self.epochs.append, progress=heard,
            ended=lambda *words: self.ended.append(words),
            lost=lambda *words: self.lost.append(words),
        )  # fmt: skip


def ended_with(number: int, outcome: Outcome | None) -> Ended:
    result = {} if outcome is None else {"outcome": asdict(outcome)}
    return Ended({"number": number}, last_result=result)


class TestWhatTuneReports:
    @pytest.fixture
    def reported(self) -> Reported:
        return Reported()

    @pytest.fixture
    def callback(
        self, reported: Reported, heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Any:
        """Trials 3 and 4 were begun."""
        from maskcls.cluster import supervisor
        from maskcls.cluster.tune import TuneCallback

        monkeypatch.setattr(supervisor, "BACKOFF_S", 0.0)
        place = CachePlace(tmp_path, "key", 1, Geometry(Crop(None), Size(8, 8)))
        config = resolve("smoke")
        jobs = {
            n: FoldJob(
                str(tmp_path / str(n)), str(tmp_path), 0, config, place, None, "cpu", 1, task=MASK
            )
            for n in (3, 4)
        }
        made = TuneCallback(reported.trials(heard, jobs))
        assert [made.next_job()[0] for _ in jobs] == [3, 4]
        return made

    def test_an_error_of_its_own_ends_a_trial(self, callback: Any, reported: Reported) -> None:
        callback.on_trial_complete(0, [], ended_with(3, Outcome("error", "loss is nan")))
        assert (reported.ended, reported.lost) == ([(3, "loss is nan")], [])

    def test_asha_ends_a_trial_without_an_outcome(self, callback: Any, reported: Reported) -> None:
        callback.on_trial_complete(0, [], ended_with(3, None))
        callback.on_trial_complete(0, [], ended_with(4, Outcome("done")))
        assert reported.ended == [(3, None), (4, None)]

    def test_a_lost_trial_is_run_again_as_another_attempt(
        self, callback: Any, reported: Reported, heard: Heard, tmp_path: Path
    ) -> None:
        from maskcls.cluster.tune import Later

        file = tmp_path / "error.txt"
        file.write_text("Failure # 1\nTraceback\nOSError: [Errno 5] Input/output error\n")
        callback.on_trial_error(0, [], Ended({"number": 3}, "ERROR", None, str(file)))
        (warning,) = heard.warnings
        assert "trial 3 met an infrastructure failure (OSError: [Errno 5] Input" in warning
        assert (reported.ended, reported.lost) == ([], [])
        number, job = callback.next_job()
        assert (number, job.attempt.number) == (3, 2)
        # One that is at work may still be lost, so this is not the end.
        assert isinstance(callback.next_job(), Later)
        for ended in (3, 4):
            callback.on_trial_complete(0, [], ended_with(ended, Outcome("done")))
        assert callback.next_job() is None

    @pytest.mark.parametrize("by_itself", [True, False])
    def test_a_failure_too_many_is_no_error_of_its_own(
        self, callback: Any, reported: Reported, by_itself: bool
    ) -> None:
        for _ in range(2):
            if by_itself:  # the worker returns it
                outcome = Outcome("transient", "run: the disk is full.")
                callback.on_trial_complete(0, [], ended_with(3, outcome))
            else:  # the process is gone
                callback.on_trial_error(0, [], Ended({"number": 3}, "ERROR"))
            callback.next_job()
        assert reported.ended == []
        assert reported.lost == [
            (3, "run: the disk is full." if by_itself else "Ray gives no reason")
        ]

    def test_out_of_memory_twice_is_an_error_of_its_own(
        self, callback: Any, reported: Reported
    ) -> None:
        outcome = Outcome("transient", "CUDA out of memory", leave_node=True, out_of_memory=True)
        for _ in range(2):
            callback.on_trial_complete(0, [], ended_with(3, outcome))
            callback.next_job()
        assert (reported.ended, reported.lost) == ([(3, "CUDA out of memory")], [])

    def test_storage_that_is_away_when_a_trial_begins_is_a_loss(
        self, callback: Any, reported: Reported, heard: Heard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from maskcls.cluster.tune import Later
        from maskcls.core.errors import StorageError

        def away(self: Fold, attempt: Any) -> None:
            raise StorageError("the bucket is away")

        write = Fold.write_attempt
        callback.on_trial_complete(0, [], ended_with(3, Outcome("transient", "the node is gone")))
        monkeypatch.setattr(Fold, "write_attempt", away)
        assert isinstance(callback.next_job(), Later)
        assert callback.failed is None
        monkeypatch.setattr(Fold, "write_attempt", write)
        assert reported.lost == [(3, "the bucket is away")]  # one retry is what these trials have

    def test_a_search_that_another_command_has_begins_nothing(
        self, callback: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from maskcls.core.errors import RunFailed

        def taken() -> None:
            raise RunFailed("another command has the search")

        callback.on_trial_complete(0, [], ended_with(3, Outcome("transient", "the node is gone")))
        callback._trials = replace(callback._trials, check_lease=taken)
        with pytest.raises(RunFailed, match="another command"):
            callback.next_job()

    def test_interrupted_it_asks_for_checkpoints_and_waits_for_them(
        self, callback: Any, tmp_path: Path
    ) -> None:
        folds = {n: Run(Folder.at(tmp_path / str(n))).fold(0) for n in (3, 4)}
        for fold in folds.values():
            attempt = fold.attempt()
            assert attempt is not None
            fold.write_heartbeat(heartbeat(token=attempt.token))
        callback.supervisor._looked -= 60.0
        callback.supervisor.look()

        def train(fold: Fold) -> None:
            while not fold.attempt().stop:  # type: ignore[union-attr]
                time.sleep(0.01)
            fold.checkpoints.write_json("epoch-0000-step-000007/manifest.json", {})

        threads = [threading.Thread(target=train, args=(fold,)) for fold in folds.values()]
        for thread in threads:
            thread.start()
        callback.stop()
        assert all(list(fold.checkpoints.list()) for fold in folds.values())
        for thread in threads:
            thread.join(10)

    def test_a_trial_whose_report_nobody_takes_any_more_is_not_waited_for(
        self, callback: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from maskcls.cluster import tune

        # Trial 3 waits in its report of epoch 1; trial 4 is in epoch 1, too, which it repeats since the
        # checkpoint of an earlier attempt was damaged.
        monkeypatch.setattr(tune, "_SIGN_OF_LIFE_S", 0.5)
        monkeypatch.setattr(tune, "STOP_GRACE_S", 60.0)
        folds = {n: Run(Folder.at(tmp_path / str(n))).fold(0) for n in (3, 4)}
        for fold, step in zip(folds.values(), (9, 3), strict=True):
            attempt = fold.attempt()
            assert attempt is not None
            fold.checkpoints.write_json("epoch-0001/manifest.json", {})
            fold.write_history(epochs(0.5))
            fold.write_heartbeat(heartbeat(token=attempt.token, epoch=1, step=step, steps=9))
        callback.supervisor._looked -= 60.0
        callback.supervisor.look()

        def train() -> None:
            time.sleep(2)
            folds[4].checkpoints.write_json("epoch-0001-step-000007/manifest.json", {})

        thread = threading.Thread(target=train)
        thread.start()
        started = time.monotonic()
        callback.stop()
        assert time.monotonic() - started < 30
        assert len(list(folds[4].checkpoints.list())) == 2
        assert len(list(folds[3].checkpoints.list())) == 1
        thread.join(10)

    def test_an_epoch_is_reported(self, callback: Any, reported: Reported) -> None:
        callback.on_trial_result(0, [], Ended({"number": 3}), {"epoch": 1})
        callback.on_trial_result(0, [], Ended({"number": 3}), {"outcome": {}})
        assert reported.epochs == [3]

    def test_what_a_callback_raises_ends_the_search(
        self, callback: Any, reported: Reported
    ) -> None:
        reported.ended = None  # type: ignore[assignment]
        with pytest.raises(AttributeError):
            callback.on_trial_complete(0, [], ended_with(3, None))
        with pytest.raises(AttributeError):
            callback.on_step_end(0, [])
        assert isinstance(callback.failed, AttributeError)
