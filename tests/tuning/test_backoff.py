"""What a search makes of trials that are lost, fail or are refused; Ray and the training are made up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from maskcls.commands import tune as command
from maskcls.commands.tune import Tuned
from maskcls.config.layers import gather
from maskcls.config.resolve import resolve
from maskcls.core.errors import (
    Exit,
    FoldsFailed,
    HubUnavailable,
    RunFailed,
    StorageError,
    UserError,
)
from maskcls.core.tally import score_predictions
from maskcls.store.folder import Folder
from maskcls.store.record import Ending, Record, Start, ending
from maskcls.store.results import FoldOfRun, Metrics, OutOfFold
from maskcls.store.run import Fold, Run
from maskcls.tuning import backoff as losses
from maskcls.tuning import finalists, first_fold
from maskcls.tuning import trial_table as table
from maskcls.tuning.search_record import SearchContent
from maskcls.tuning.space import Choice, Range, Search, Space
from maskcls.tuning.trials import Trial, folder_of, read_trials, write_trial
from tests.conftest import Heard
from tests.record_factory import epochs, result
from tests.tasks import MASK

pytestmark = pytest.mark.slow  # importing Ray Tune takes seconds

RATES = (1e-2, 1e-3, 1e-4)
SPACE = Space(Search(sampler="random", trials=3, finalists=2), {"optim.lr": Choice(RATES)})
CONTENT = SearchContent(
    **vars(Record.new({"images": 84, "groups": 12})), search={"sampler": "random"}, seconds=60.0
)
Happens = Callable[[], Any]


class World:
    """A search's folder, and what happens to its trials: a word for fold 0, a call for all folds."""

    def __init__(self, root: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.heard = Folder.at(root), heard
        self.space, self.budget = SPACE, 3
        self.on_fold_0: dict[int, str] = {}
        self.at_the_start: dict[int, Exception] = {}
        self.on_all_folds: dict[int, Exception] = {}
        self.trained: list[int] = []
        self.finals: list[int] = []
        self.exit_codes: list[Exit] = []
        self.slept: list[float] = []
        self.later = 0
        monkeypatch.setattr(losses, "PAUSE_S", 0.05)
        monkeypatch.setattr(finalists.time, "sleep", self._sleep)
        from maskcls.cluster import session
        from maskcls.cluster import tune as search

        monkeypatch.setattr(search, "run_trials", self._run_trials)
        monkeypatch.setattr(session, "ray_session", self._session)
        monkeypatch.setattr(command, "TrialRuns", self._runs)
        monkeypatch.setattr(command, "SearchRecord", self._record)
        monkeypatch.setattr(finalists, "_train", self._train)
        monkeypatch.setattr(first_fold, "place", lambda *_: None)
        monkeypatch.setattr(first_fold, "decode", lambda *_: None)
        monkeypatch.setattr(first_fold, "jobs", lambda trial, *_: [trial])

    def start(self) -> Tuned:
        """Start the command once."""
        prepared: Any = SimpleNamespace(
            run=Run(self.root),
            config=resolve("smoke", sets=["folds.count=2"]),
            cache=None,
            task=MASK,
        )
        lease: Any = SimpleNamespace(lost=False, check=lambda: None)
        self.trained.clear()
        self.finals.clear()
        return command._Tuning(prepared, gather("smoke"), self.space, self.heard, lease, []).run()

    def states(self) -> list[str]:
        return [trial.state for trial in read_trials(self.root)]

    @contextmanager
    def _session(self, *_: Any) -> Iterator[Any]:
        from maskcls.cluster.plan import Machine

        context = SimpleNamespace(get_node_id=lambda: "here")
        yield SimpleNamespace(
            machine=lambda needs: Machine(1, 0, True), own_node=lambda: None, temporary=Path("/x"),
            ray=SimpleNamespace(get_runtime_context=lambda: context),
        )  # fmt: skip

    def _runs(self, *_: Any) -> Any:
        return SimpleNamespace(begin=self._begin)

    def _record(self, *_: Any) -> Any:
        return SimpleNamespace(
            content=CONTENT, starts=1, may_begin=lambda trials: trials < self.budget,
            write=lambda: None, ending=self._ending,
        )  # fmt: skip

    @contextmanager
    def _ending(self, may_write: Callable[[], bool]) -> Iterator[Ending]:
        assert may_write()
        start = Start([], "", None, None, "h", 1, "python", {})
        try:
            with ending(start, lambda: None) as end:
                yield end
        finally:
            self.exit_codes.append(Exit(start.exit_code or 0))

    def _begin(self, trial: Trial, quietly: bool) -> Any:
        run = Run(folder_of(self.root, trial.number))
        if quietly and trial.number in self.at_the_start:
            raise self.at_the_start[trial.number]
        run.write_config(resolve("smoke"))
        return trial

    def _train(self, trial: Trial, session: Any) -> Metrics:
        self.finals.append(trial.number)
        if trial.number in self.on_all_folds:
            raise self.on_all_folds[trial.number]
        score = (trial.best or 0) - 0.01
        labels = np.arange(18)
        known = replace(score_predictions(MASK, labels, labels), score=score)
        folds = [FoldOfRun(0, fold, result(fold, score)) for fold in range(2)]
        return Metrics(OutOfFold(known, 18, 0), folds)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def _run_trials(self, trials: Any, storage: str, name: str) -> None:
        from maskcls.cluster.tune import Later

        while (found := trials.propose()) is not None:
            if isinstance(found, Later):
                self.later += 1
                continue
            number, _ = found
            self.trained.append(number)
            fate = self.on_fold_0.get(number, "finished").partition(": ")[::2]
            if fate[0] != "never begins":
                fold = Run(folder_of(self.root, number)).fold(0)
                fold.write_history(epochs(0.5 - 0.1 * number))
                trials.epoch_done(number)
            match fate:
                case "finished", _:
                    fold.write_result(result(0))
                    trials.ended(number, None)
                case "stopped", _:
                    trials.ended(number, None)
                case "failed", why:
                    trials.ended(number, why)
                case "lost" | "never begins", why:
                    trials.lost(number, why)


@pytest.fixture
def world(tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path / "search", heard, monkeypatch)


def test_what_is_well_is_well(world: World) -> None:
    done = world.start()
    assert done.exit_code == Exit.GOOD
    assert world.states() == ["finished"] * 3
    assert world.finals == [0, 1]
    assert world.start().exit_code == Exit.GOOD
    assert (world.trained, world.finals) == ([], [])


def test_a_lost_trial_is_tried_again_and_a_failed_one_is_not(world: World) -> None:
    world.on_fold_0 = {0: "lost: OSError: storage is away", 1: "failed: loss is nan"}
    done = world.start()
    assert world.states() == ["lost", "failed", "finished"]
    assert world.finals == [2]
    assert done.exit_code == Exit.DEGRADED
    assert world.exit_codes == [Exit.DEGRADED]
    assert world.heard.warnings[-1] == (
        "infrastructure failure: trial 0; the same command tries it again"
    )
    # The best there is has been written all the same.
    assert done.trials[0].number == 2
    assert world.root.exists("best.toml")
    assert "the same command tries it again" in world.root.read_text("search.html")

    world.on_fold_0 = {}
    done = world.start()
    assert world.trained == [0]
    assert world.finals == [0]
    assert done.exit_code == Exit.GOOD
    assert world.states() == ["finished", "failed", "finished"]
    assert [(t.number, t.error) for t in done.trials] == [(0, None), (2, None), (1, "loss is nan")]


def test_a_trial_that_is_done_is_not_lost(world: World) -> None:
    # The actor died between the fold's last word and Tune's hearing of it.
    Run(folder_of(world.root, 0)).fold(0).write_result(result(0))
    world.on_fold_0 = {0: "lost: the actor died"}
    assert world.start().exit_code == Exit.GOOD
    assert world.states() == ["finished"] * 3


def test_nothing_but_losses_is_a_failure_that_says_how_to_resume(world: World) -> None:
    world.on_fold_0 = dict.fromkeys(range(3), "lost: the disk is full")
    with pytest.raises(RunFailed, match="trial 0 was lost: the disk is full; the same command"):
        world.start()
    assert world.exit_codes == [Exit.FAILURE]
    assert world.states() == ["lost"] * 3
    world.on_fold_0 = {}
    assert world.start().exit_code == Exit.GOOD
    assert world.trained == [0, 1, 2]


def test_what_befalls_every_trial_does_not_use_up_the_budget(world: World) -> None:
    world.space = Space(SPACE.search, {"optim.lr": Range(1e-5, 1e-1, log=True)})
    world.budget = 9
    # The third in a row ends the search; an epoch of another trial in between resets the count.
    world.on_fold_0 = dict.fromkeys((0, 1, 3, 4, 5), "never begins: the driver's library is gone")
    # Finished trials are trained on all folds nevertheless.
    assert world.start().exit_code == Exit.DEGRADED
    assert world.trained == [0, 1, 2, 3, 4, 5]
    assert world.finals == [2]
    sentence = (
        "3 trials in a row ended by an infrastructure failure, the last one: the driver's library is"
        " gone"
    )
    assert len([text for text in world.heard.warnings if sentence in text]) == 1
    world.on_fold_0 = {}
    assert world.start().exit_code == Exit.GOOD
    # Lost trials and new ones alternate: neither must block the other.
    assert world.trained == [6, 0, 7, 1, 8, 3, 4, 5]


def test_trials_that_are_lost_every_time_do_not_hold_up_the_others(world: World) -> None:
    world.space = Space(SPACE.search, {"optim.lr": Range(1e-5, 1e-1, log=True)})
    world.budget = 5
    world.on_fold_0 = dict.fromkeys(range(3), "never begins: the worker was killed")
    with pytest.raises(RunFailed, match="trial 0 was lost: the worker was killed"):
        world.start()
    assert world.trained == [0, 1, 2]
    for trained in ([3, 0, 4, 1, 2], [0, 1, 2]):
        done = world.start()
        assert world.trained == trained
        assert done.exit_code == Exit.DEGRADED
        assert done.trials[0].number == 3
    assert world.states() == ["lost"] * 3 + ["finished"] * 2


def test_a_space_that_holds_no_others_is_reported_once(world: World) -> None:
    world.budget = 20
    world.on_fold_0 = {0: "lost: the worker was killed", 2: "lost: the worker was killed"}
    assert world.start().exit_code == Exit.DEGRADED
    world.heard.warnings.clear()
    assert world.start().exit_code == Exit.DEGRADED
    assert world.trained == [0, 2]
    assert len([text for text in world.heard.warnings if "no other settings" in text]) == 1


def test_trials_that_were_at_work_and_are_not_begun_again_do_not_block_the_finalists(
    world: World,
) -> None:
    # Eight were at work when the command was killed, and here one runs at a time.
    world.space = Space(SPACE.search, {"optim.lr": Range(1e-9, 1e1, log=True)})
    for number in range(8):
        write_trial(world.root, Trial(number, {"optim.lr": 10.0**-number}))
    write_trial(world.root, Trial(8, {"optim.lr": 0.5}, "finished", [0.3]))
    world.on_fold_0 = dict.fromkeys(range(8), "never begins: the worker was killed")
    done = world.start()
    assert world.trained == [0, 1, 2]
    assert (world.finals, done.exit_code) == ([8], Exit.DEGRADED)
    assert "trial 0, 1, 2" in world.heard.warnings[-1]
    world.on_fold_0 = {}
    assert world.start().exit_code == Exit.GOOD
    assert world.trained == [3, 4, 5, 6, 7, 0, 1, 2]


def test_the_search_waits_a_moment_for_storage_that_is_away(world: World) -> None:
    world.at_the_start = {1: OSError(5, "Input/output error")}
    world.on_all_folds = {0: OSError(5, "Input/output error")}
    assert world.start().exit_code == Exit.DEGRADED
    # Tune's loop turns on meanwhile; for the finalists there is none.
    assert world.later > 0
    assert len(world.slept) == 1
    assert 0 < world.slept[0] <= 0.05
    assert world.states() == ["finished", "lost", "finished"]


def test_finalists_lost_one_after_the_other_are_not_all_used_up(world: World) -> None:
    world.space = Space(SPACE.search, {"optim.lr": Range(1e-5, 1e-1, log=True)})
    world.budget = 6
    world.on_all_folds = dict.fromkeys(range(6), RunFailed("Ray is gone"))
    with pytest.raises(RunFailed, match="trial 0 was lost on other folds: Ray is gone"):
        world.start()
    assert world.finals == [0, 1, 2]
    # If it was they, the others have their turn now.
    for number in (3, 4, 5):
        del world.on_all_folds[number]
    done = world.start()
    assert world.finals == [0, 1, 2, 3, 4]
    assert (done.exit_code, done.trials[0].number) == (Exit.DEGRADED, 3)


def test_storage_that_is_away_for_a_moment_does_not_end_a_search(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = table.write_trial, []

    def away(root: Folder, trial: Trial) -> None:
        calls.append(trial.number)
        if len(calls) in (3, 4):  # of trial 0 its end, and of trial 1 its beginning
            raise OSError(5, "Input/output error")
        write(root, trial)

    monkeypatch.setattr(table, "write_trial", away)
    assert world.start().exit_code == Exit.DEGRADED
    # Trial 1 was not begun: a run without a record would be another trial's after a kill.
    assert world.trained == [0, 2]
    assert world.states() == ["finished", "lost", "finished"]
    assert len([text for text in world.heard.warnings if "record cannot be written" in text]) == 2


def test_a_trial_whose_end_cannot_be_read_is_looked_at_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(fold: Fold) -> bool:
        raise OSError(5, "Input/output error")

    world.on_fold_0 = {0: "stopped", 1: "failed: loss is nan"}
    with monkeypatch.context() as patch:
        patch.setattr(Fold, "is_done", property(away))
        with pytest.raises(RunFailed, match="trial 0 was lost: its folder cannot be read"):
            world.start()
    assert world.states() == ["lost"] * 3
    world.on_fold_0 = {}
    assert world.start().exit_code == Exit.GOOD
    assert world.states() == ["finished"] * 3


@pytest.mark.parametrize(
    "error",
    [
        FoldsFailed("fold 1 failed: the actor died\n1 folds are done", by_training=False),
        StorageError("fold 1 failed: run: the disk is full."),
        RunFailed("Ray is gone"),
        OSError(5, "Input/output error"),
    ],
    ids=["lost", "mistake", "other", "storage"],
)
def test_a_finalist_whose_folds_are_lost_is_one_again(world: World, error: Exception) -> None:
    world.on_all_folds = {0: error}
    done = world.start()
    # The next best moves up for this time.
    assert world.finals == [0, 1, 2]
    assert done.exit_code == Exit.DEGRADED
    assert done.trials[0].number == 1
    assert world.states() == ["finished"] * 3
    lost = read_trials(world.root)[0]
    assert lost.is_lost
    assert lost.error == str(error).partition("\n")[0]

    world.on_all_folds = {}
    done = world.start()
    assert (world.trained, world.finals) == ([], [0])
    assert done.exit_code == Exit.GOOD
    assert done.trials[0].number == 0
    assert not any(t.is_lost for t in done.trials)


def test_a_finalist_that_fails_by_itself_is_none_any_more(world: World) -> None:
    world.on_all_folds = {0: FoldsFailed("fold 1 failed: ValueError: nan", by_training=True)}
    done = world.start()
    assert world.finals == [0, 1, 2]
    assert done.exit_code == Exit.GOOD
    assert world.states() == ["failed", "finished", "finished"]
    assert world.start().exit_code == Exit.GOOD
    assert world.finals == []


def test_all_finalists_lost_says_how_to_resume(world: World) -> None:
    lost = FoldsFailed("fold 1 failed: the actor died", by_training=False)
    world.on_all_folds = dict.fromkeys(range(3), lost)
    sentence = (
        "no trial was trained on all folds: trial 0 was lost on other folds: fold 1 failed: the actor"
        " died; the same command tries it again"
    )
    with pytest.raises(RunFailed, match=sentence):
        world.start()
    world.on_all_folds = {}
    assert world.start().exit_code == Exit.GOOD
    assert (world.trained, world.finals) == ([], [0, 1])


def test_only_settings_that_cannot_be_are_refused(world: World) -> None:
    full = StorageError("run: the disk is full.")
    world.at_the_start = {
        0: UserError("loss.name=ldam does not go with head.name=multi"),
        1: full,
        2: HubUnavailable("pretrained weights cannot be had from the hub"),
    }
    with pytest.raises(RunFailed, match="trial 1 was lost"):
        world.start()
    assert world.states() == ["refused", "lost", "lost"]
    world.at_the_start = {}
    assert world.start().exit_code == Exit.GOOD
    assert world.trained == [1, 2]
    assert world.states() == ["refused", "finished", "finished"]


@pytest.mark.parametrize("run", ["s3://key:secret@bucket/search", "abfs://key:secret@account/s"])
def test_credentials_in_the_run_are_refused_on_a_cluster_before_anything_is_read(
    run: str, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    with pytest.raises(UserError, match="Ray Tune would keep the credentials"):
        command.tune("/no/data", run, "space.toml", heard)
    # On Azure a container stands where others have a user.
    with pytest.raises(UserError, match=r"space\.toml: there is no such file"):
        command.tune("/no/data", "abfs://container@account/s", "space.toml", heard)
