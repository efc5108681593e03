"""The order of a run's steps and what its record says of them; the steps are made up here."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from maskcls.core.errors import Exit, FoldsFailed, UserError
from maskcls.runs import whole_run
from maskcls.runs.whole_run import recorded, train_whole
from maskcls.store.folder import Folder
from maskcls.store.record import Origin, Record
from maskcls.store.results import Metrics
from maskcls.store.run import Run

STEPS = ("place", "decode", "train_folds", "collect")


class World:
    """A run, the steps that were done, and what they return."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run, self.done = Run(Folder.at(root)), list[str]()
        self.metrics = Metrics(None, [])
        self.finished: Metrics | None = None
        self.fails: Exception | None = None
        self.lease: Any = SimpleNamespace(lost=False)
        self.context: Any = SimpleNamespace(run=self.run, record=Record.new({}))
        self.make_fits: list[Any] = []
        monkeypatch.setattr(whole_run, "finish_without_ray", lambda _: self.finished)
        monkeypatch.setattr(whole_run, "place", self._step("place", "plan"))
        monkeypatch.setattr(whole_run, "decode", self._step("decode", ("pixels", None)))
        monkeypatch.setattr(whole_run, "train_folds", self._train)
        monkeypatch.setattr(whole_run, "collect", self._collect)

    def _step(self, name: str, found: Any) -> Any:
        def step(*_: Any) -> Any:
            self.done.append(name)
            return found

        return step

    def _train(self, _: Any, plan: str, __: Any, make_fit: Any) -> None:
        assert plan == "plan"
        self.done.append("train_folds")
        self.make_fits.append(make_fit)
        if self.fails is not None:
            raise self.fails

    def _collect(self, _: Any, *pixels: Any) -> Metrics:
        assert pixels == ("pixels", None)
        self.done.append("collect")
        return self.metrics

    @contextmanager
    def sessions(self, _: Any) -> Iterator[Any]:
        self.done.append("session")
        yield SimpleNamespace(own_node=lambda: "node")
        self.done.append("end of session")

    def train(self, make_fit: Any = None) -> tuple[Exit, Metrics]:
        return train_whole(self.context, ["maskcls", "train"], self.lease, self.sessions, make_fit)

    def exit_code(self) -> int | None:
        """As the file has it."""
        record = self.run.record()
        assert record is not None
        assert record.last_start is not None
        return record.last_start.exit_code


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_the_run_is_collected_after_ray_has_ended(world: World) -> None:
    make_fit = object()
    assert world.train(make_fit) == (Exit.GOOD, world.metrics)
    assert world.done == ["session", *STEPS[:3], "end of session", "collect"]
    assert world.make_fits == [make_fit]
    assert world.exit_code() == 0


def test_no_ray_is_asked_for_where_nothing_is_left(world: World) -> None:
    world.finished = Metrics(None, [])
    assert world.train() == (Exit.GOOD, world.finished)
    assert world.done == []
    assert world.exit_code() == 0


def test_the_origin_of_the_settings_is_that_of_the_first_start(world: World) -> None:
    for name in ("plain", "smoke"):
        with recorded(world.context, ["maskcls", "train"], world.lease, Origin(name)):
            pass
    record = world.run.record()
    assert record is not None
    assert (record.origin, len(record.starts)) == (Origin("plain"), 2)


@pytest.mark.parametrize("faults", [{"train_faults": 1}, {"eval_faults": 2}])
def test_images_that_could_not_be_decoded_degrade_the_run(
    world: World, faults: dict[str, int]
) -> None:
    world.metrics = Metrics(None, [], **faults)  # type: ignore[arg-type]
    assert world.train()[0] == Exit.DEGRADED
    assert world.exit_code() == 3


@pytest.mark.parametrize(
    ("error", "code"), [(UserError("no"), Exit.MISTAKE), (FoldsFailed("no", True), Exit.FAILURE)]
)
def test_what_fails_is_raised_and_recorded(world: World, error: Exception, code: Exit) -> None:
    world.fails = error
    with pytest.raises(type(error)):
        world.train()
    assert "collect" not in world.done
    assert world.exit_code() == int(code)


def test_a_run_that_another_command_has_taken_keeps_that_ones_record(world: World) -> None:
    world.lease.lost = True
    world.train()
    assert world.exit_code() is None
