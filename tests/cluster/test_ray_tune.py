"""Ray Tune as we use it: ASHA knows earlier scores and ends nobody at the last epoch; who hears what."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from maskcls.config.values import Crop, Size
from maskcls.pixels.cache import CachePlace
from maskcls.pixels.geometry import Geometry
from maskcls.training.job import FoldJob
from tests.conftest import Heard

pytestmark = pytest.mark.slow  # importing Ray Tune takes seconds


@dataclass
class Trial:
    """As much of a Tune trial as a scheduler looks at."""

    trial_id: str
    config: dict[str, Any] = field(default_factory=dict)


def scheduler(known: dict[int, list[float]]) -> Any:
    """Tune's ASHA with rungs at 1, 2 and 4 epochs, which lets half of the trials go on."""
    from maskcls.cluster.tune import _Asha

    return _Asha(replace(Told().trials(Heard()), known=known, first_rung=1, reduction=2))


def decisions(
    known: dict[int, list[float]],
    number: int,
    scores: list[float],
    start: int = 0,
    epochs: int = 4,
) -> str:
    asha = scheduler(known)
    trial = Trial("x", {"number": number})
    asha.on_trial_add(None, trial)
    told = ""
    for epoch, score in enumerate(scores[start:], start + 1):
        result = {"epoch": epoch, "macro_f1": score, "last": epoch == epochs}
        told += "S" if asha.on_trial_result(None, trial, result) == "STOP" else "c"
        if told[-1] == "S":
            break
    return told


def test_a_weak_trial_is_ended_by_what_earlier_starts_knew() -> None:
    known = {0: [0.5, 0.6, 0.6, 0.6], 1: [0.4, 0.5, 0.5, 0.5]}
    assert decisions(known, 2, [0.1, 0.2, 0.3, 0.4]) == "S"
    assert decisions(known, 2, [0.6, 0.7, 0.7, 0.7]) == "cccc"
    assert decisions({}, 2, [0.1, 0.2, 0.3, 0.4]) == "cccc"


def test_nobody_is_ended_at_the_last_epoch() -> None:
    known = {0: [0.1, 0.1, 0.1, 0.9], 1: [0.1, 0.1, 0.1, 0.8]}
    assert decisions(known, 2, [0.2, 0.2, 0.2, 0.2]) == "cccc"


def test_nobody_is_ended_at_its_own_last_epoch() -> None:
    # train.epochs is searched: the others have four, this one two, and epoch 2 is a rung.
    known = {0: [0.1, 0.8, 0.8, 0.9], 1: [0.1, 0.7, 0.7, 0.8]}
    assert decisions(known, 2, [0.2, 0.2], epochs=2) == "cc"
    assert decisions(known, 2, [0.2, 0.2]) == "cS"


def test_the_score_of_a_last_epoch_counts_for_others() -> None:
    asha = scheduler({})
    told = []
    for number, last in enumerate((True, False)):
        trial = Trial(f"t{number}", {"number": number})
        asha.on_trial_add(None, trial)
        result = {"epoch": 2, "macro_f1": 0.9 if last else 0.1, "last": last}
        told.append(asha.on_trial_result(None, trial, result))
    assert told == ["CONTINUE", "STOP"]


def test_a_trial_that_goes_on_keeps_its_rungs() -> None:
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
class Told:
    """What the command hears of trials."""

    ended: list[tuple[int, str | None]] = field(default_factory=list)
    lost: list[tuple[int, str]] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)

    def trials(self, heard: Heard) -> Any:
        from maskcls.cluster.tune import Trials

        return Trials(
            first_rung=1, reduction=3, propose=lambda: None, epoch_done=self.epochs.append,
            ended=lambda *words: self.ended.append(words),
            lost=lambda *words: self.lost.append(words),
            known={}, resources={}, waits_for="a GPU", at_once=1, most_epochs=4, retries=1,
            stall_s=60, progress=heard,
        )  # fmt: skip


class TestWhoHearsWhat:
    @pytest.fixture
    def told(self) -> Told:
        return Told()

    @pytest.fixture
    def ears(self, told: Told, heard: Heard, tmp_path: Path) -> Any:
        from maskcls.cluster.tune import TuneCallback

        ears = TuneCallback(told.trials(heard))
        place = CachePlace(tmp_path, "key", 1, Geometry(Crop(None), Size(8, 8)))
        ears.watch.begin(3, FoldJob(str(tmp_path), str(tmp_path), 0, {}, place, None, "cpu", 1))
        return ears

    def test_an_error_of_its_own_ends_it(self, ears: Any, told: Told) -> None:
        ears.on_trial_complete(0, [], Ended({"number": 3}, last_result={"fault": "loss is nan"}))
        assert (told.ended, told.lost) == ([(3, "loss is nan")], [])

    def test_a_loss_is_told_and_it_is_tried_again(
        self, ears: Any, told: Told, heard: Heard, tmp_path: Path
    ) -> None:
        file = tmp_path / "error.txt"
        file.write_text("Failure # 1\nTraceback\nOSError: [Errno 5] Input/output error\n")
        ears.on_trial_recover(0, [], Ended({"number": 3}, "PENDING", None, str(file)))
        (warning,) = heard.warnings
        assert "trial 3 was lost to the system (OSError: [Errno 5] Input" in warning
        assert (told.ended, told.lost) == ([], [])

    def test_a_loss_too_many_is_no_error_of_its_own(
        self, ears: Any, told: Told, tmp_path: Path
    ) -> None:
        file = tmp_path / "error.txt"
        file.write_text("Failure # 2\nmaskcls.core.errors.UserError: run: the disk is full.\n")
        ears.on_trial_error(0, [], Ended({"number": 3}, "ERROR", None, str(file)))
        ears.on_trial_error(0, [], Ended({"number": 4}, "ERROR"))
        assert told.ended == []
        assert told.lost == [(3, "run: the disk is full."), (4, "Ray says no more")]

    def test_on_a_trial_of_tunes_own(
        self,
        ears: Any,
        told: Told,
        heard: Heard,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        from ray.train._internal import storage
        from ray.tune.experiment import Trial as TunesTrial

        monkeypatch.setattr(storage, "_get_ray_train_session_dir", lambda: str(tmp_path))
        place = storage.StorageContext(str(tmp_path), "search", trial_dir_name="trial")
        trial = TunesTrial(
            "train_trial", stub=True, config={"number": 3}, max_failures=1, storage=place
        )
        ears.on_trial_recover(0, [], trial)
        Path(trial.local_path).mkdir(parents=True)
        for _ in range(2):
            trial.handle_error(OSError("gone"))
        ears.on_trial_recover(0, [], trial)
        assert [w[w.index("(") :] for w in heard.warnings] == [
            "(Ray says no more); it goes on from its last checkpoint",
            "(gone); it goes on from its last checkpoint",
        ]
        # A finished epoch makes up for earlier losses.
        assert not trial.should_recover()
        ears.on_trial_result(0, [], trial, {"epoch": 1})
        assert trial.should_recover()
        assert told.epochs == [3]

    def test_what_a_listener_raises_ends_the_search(self, ears: Any, told: Told) -> None:
        told.ended = None  # type: ignore[assignment]
        with pytest.raises(AttributeError):
            ears.on_trial_complete(0, [], Ended({"number": 3}))
        with pytest.raises(AttributeError):
            ears.on_step_end(0, [])
        assert isinstance(ears.failed, AttributeError)
