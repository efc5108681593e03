"""predict in a cluster, with Ray played: what the machines make, read and answer."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import softmax

from maskcls.cli.main import main
from maskcls.cluster import ingest, session
from maskcls.cluster import nodes as fetch
from maskcls.cluster import nodes as reach
from maskcls.cluster.plan import Machine
from maskcls.commands.ensemble import ensemble
from maskcls.commands.predict import _csv, _decided, predict
from maskcls.commands.submitted import submitted
from maskcls.config.schema import Cluster
from maskcls.core.errors import Exit, RunFailed, UserError
from maskcls.data.new_images import find_images
from maskcls.evaluation.decided import Asked
from maskcls.pixels import cache
from maskcls.pixels.cache import CachedPixels, CachePlace
from maskcls.store.folder import Folder
from maskcls.store.outputs import OutputFile
from maskcls.store.record import Record
from maskcls.store.run import Run
from tests.commands.run_factory import write_run
from tests.conftest import Heard
from tests.evaluation.held_out_factory import write_held_out
from tests.tasks import FRUIT, MASK, SKIN
from tests.training.fold_factory import Notes, TinyRun

IMAGES = ["b.png", "a.png", "x/c.png"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A finished run of two folds."""
    from maskcls.training.fold import run_fold
    from maskcls.training.rank import Alone

    tiny = TinyRun.write(tmp_path_factory.mktemp("finished"), ["train.epochs=1"])
    made = Run(tiny.folder)
    made.write_config(tiny.job.config)
    made.write_task(MASK)
    made.write_record(Record.new({}))
    for fold in range(2):
        run_fold(replace(tiny.job, fold=fold), Alone(), Notes())
    return tiny.folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three images and one that is none, in a folder; images.csv names three of the four."""
    folder = tmp_path / "images"
    (folder / "x").mkdir(parents=True)
    for shade, name in enumerate(IMAGES):
        Image.new("RGB", (40, 50), (9 + 60 * shade, 80, 200 - 60 * shade)).save(folder / name)
    (folder / "broken.png").write_bytes(b"<html>")
    (folder / "images.csv").write_text("path\nb.png\nbroken.png\nx/c.png\n")
    return folder


class Played:
    """A Ray whose tasks run at once in this process, on the machine that `task_node` names."""

    def __init__(self, home: str | None, task_node: str | None) -> None:
        self.home, self.node, self.task_node = home, home, task_node
        self.made: list[tuple[str | None, CachePlace]] = []
        self.options: list[dict[str, Any]] = []
        self.shared: list[tuple[str, str]] = []

    def own_node(self) -> str | None:
        return self.home

    def machine(self, needs: object = ()) -> Machine:
        return Machine(4, 0, self.home is None, node_cpus=2)

    def remote(self, **options: Any) -> Any:
        self.options.append(options)

        def submit(task: Any) -> Any:
            def call(*arguments: Any) -> Any:
                self.node = self.task_node
                try:
                    return iter(list(task(*arguments)))  # a stream of values
                finally:
                    self.node = self.home

            return SimpleNamespace(remote=call)

        return submit

    def ensure_pixels(
        self,
        place: CachePlace,
        images: Folder,
        paths: "pd.Series[str]",
        progress: Any,
        node: str | None,
    ) -> CachedPixels:
        assert node == self.node
        self.made.append((node, place))
        if cache.open_cache(place) is None:
            file = cache.start_building(place)
            read = ingest.read_images(images, list(paths), place)
            cache.finish_building(place, [cache.fill_chunk(file, place, 0, read)])
        found = cache.open_cache(place)
        assert found is not None
        return found

    def require_shared(self, *given: Any) -> None:
        _, _, files, _, arguments = given
        assert arguments == "RUN and IMAGES"
        assert all(folder.exists(name) for folder, name in files)
        self.shared = [(folder.location, name) for folder, name in files]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Any:
    import ray
    import ray.tune  # its modules use ray.remote as they are imported, so before it is played

    def begin(home: str | None, task_node: str | None) -> Played:
        played = Played(home, task_node)

        @contextmanager
        def ray_session(*given: Any) -> Iterator[Played]:
            yield played

        monkeypatch.setattr(session, "ray_session", ray_session)
        for module in (ingest, fetch):
            monkeypatch.setattr(module, "ensure_pixels", played.ensure_pixels)
        monkeypatch.setattr(reach, "require_shared", played.require_shared)
        context = SimpleNamespace(get_node_id=lambda: played.node)
        monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
        monkeypatch.setattr(ray, "remote", played.remote)
        monkeypatch.setattr(ray, "put", lambda value: value)
        monkeypatch.setattr(ray, "get", lambda value: value)
        monkeypatch.setattr(ray, "wait", lambda pending, timeout, fetch_local: (pending, []))
        return played

    return begin


@pytest.mark.parametrize("given", ["", "images.csv"])
def test_another_machine_makes_its_own_pixels_and_gives_the_same_bytes(
    run: Folder, images: Path, tmp_path: Path, heard: Heard, play: Any,
    monkeypatch: pytest.MonkeyPatch, given: str,
) -> None:  # fmt: skip
    local = play(None, None)
    done = predict(run.location, str(images / given), str(tmp_path / "here.csv"), heard)
    assert done.exit_code == Exit.DEGRADED
    assert done.faults == {"broken.png": "not a JPEG, PNG, WebP, BMP or TIFF file"}
    assert [node for node, _ in local.made] == [None]
    assert local.shared == []

    far = play("home", "far")
    caches = {"home": tmp_path / "caches/home", "far": tmp_path / "caches/far"}
    # MASKCLS_CACHE is what a machine's own Ray was started with.
    monkeypatch.setattr("maskcls.cluster.tasks.cache_root", lambda setting: caches[str(far.node)])
    monkeypatch.setenv("MASKCLS_CACHE", str(caches["home"]))
    predict(run.location, str(images / given), str(tmp_path / "there.csv"), heard)
    assert (tmp_path / "there.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()
    # The command's machine for itself, and the other one once for both folds.
    assert [(node, place.root) for node, place in far.made] == list(caches.items())
    first = "a.png" if given == "" else "b.png"
    assert far.shared == [(run.location, "record.json"), (str(images), first)]


def test_at_home_nothing_is_made_twice(
    run: Folder, images: Path, tmp_path: Path, heard: Heard, play: Any
) -> None:
    played = play("home", "home")
    placing = Cluster(resources_per_worker={"fake_gpu": 1.0})
    predict(run.location, str(images), str(tmp_path / "p.csv"), heard, placing)
    assert [node for node, _ in played.made] == ["home"]
    assert [o["resources"] for o in played.options] == [{"fake_gpu": 1.0}] * 2
    assert [o["num_cpus"] for o in played.options] == [1.0, 1.0]


def test_a_machine_without_the_images_is_reported_and_nothing_is_written(
    run: Folder, images: Path, tmp_path: Path, heard: Heard, play: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    played = play("home", "far")
    exists = Folder.exists

    def not_there(self: Folder, name: str = "") -> bool:
        return exists(self, name) and (played.node == "home" or self.location != str(images))

    monkeypatch.setattr(Folder, "exists", not_there)
    with pytest.raises(UserError, match="RUN and IMAGES must be on storage"):
        predict(run.location, str(images), str(tmp_path / "p.csv"), heard)
    assert not (tmp_path / "p.csv").exists()


def test_images_that_only_some_machines_could_decode_are_no_answer(
    run: Folder, images: Path, tmp_path: Path, heard: Heard, play: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    play("home", "far")

    def own(setting: str) -> Path:
        (images / "b.png").unlink(missing_ok=True)  # between the two machines' passes
        return tmp_path / "far"

    monkeypatch.setattr("maskcls.cluster.tasks.cache_root", own)
    with pytest.raises(RunFailed, match="2 images were decoded for fold 0 and 3 here"):
        predict(run.location, str(images), str(tmp_path / "p.csv"), heard)
    assert not (tmp_path / "p.csv").exists()


def test_a_group_gets_the_mean_of_its_images_logits(
    run: Folder, images: Path, tmp_path: Path, heard: Heard, play: Any
) -> None:
    play(None, None)
    given = "path,group\nb.png,P1\nx/c.png,P2\na.png,P1\nbroken.png,P3\n"
    (images / "g.csv").write_text(given)
    predict(run.location, str(images / "g.csv"), str(tmp_path / "one.csv"), heard)
    done = predict(run.location, str(images / "g.csv"), str(tmp_path / "g.csv"), heard, None, True)
    assert done.exit_code == Exit.DEGRADED
    one = pd.read_csv(tmp_path / "one.csv").set_index("path")
    grouped = pd.read_csv(tmp_path / "g.csv")
    assert list(grouped) == ["group", "ans", *(f"p{k}" for k in range(18))]
    assert grouped["group"].tolist() == ["P1", "P2", "P3"]
    probs = one.loc[["b.png", "a.png"]].iloc[:, 1:].to_numpy()
    expected = softmax(np.log(probs).mean(axis=0))  # logits but for a constant
    assert grouped.iloc[0, 2:].to_numpy(float) == pytest.approx(expected, rel=1e-4)
    assert grouped.iloc[1, 1:].tolist() == one.loc["x/c.png"].tolist()
    assert grouped.iloc[2, 1:].isna().all()
    assert "groups: by column group" in heard.lines
    with pytest.raises(UserError, match=r"a\.png is in no folder"):
        predict(run.location, str(images), str(tmp_path / "f.csv"), heard, None, True)


def grouped_run(folder: Path, sets: Sequence[str] = ()) -> tuple[Run, pd.DataFrame, np.ndarray]:
    """A collected run of two folds, and as its eval images 240 of 60 groups with their logits."""
    rng = np.random.default_rng(0)

    def drawn(groups: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.repeat(rng.choice(4, groups, p=[0.6, 0.25, 0.1, 0.05]), 4)
        return labels, rng.normal(size=(len(labels), 4)) + np.eye(4)[labels]

    labels, held_out = drawn(200)
    _, of_eval = drawn(60)
    logits = (of_eval + rng.normal(size=(2, 240, 4))).astype(np.float32)
    rows = pd.DataFrame({"path": [f"{n}.jpg" for n in range(240)]})
    rows["group"] = [f"g{n // 4}" for n in range(240)]
    task = replace(FRUIT, has_groups=True)
    write_run(
        folder, rows["path"].tolist(), logits, ["folds.count=2", *sets], task=task,
        groups=rows["group"].tolist(), labels=labels.tolist(),
    )  # fmt: skip
    own = np.arange(800) // 4
    run = write_held_out(folder, labels, held_out, [f"t{g}" for g in own], own % 2)
    return run, rows, logits


def test_answers_by_group_are_forecast_as_those_of_an_ensemble(
    tmp_path: Path, heard: Heard
) -> None:
    run, rows, logits = grouped_run(tmp_path / "run")
    done = ensemble([str(run)], str(tmp_path / "s.csv"), heard, by_group=True)
    about = _decided(run, [0, 1], Asked(), rows, logits).about()
    assert about["forecast"]["value"] is not None
    assert {name: done.provenance[name] for name in about} == about
    # By image there are four times as many answers, of groups that nobody has named.
    by_image = _decided(run, [0, 1], Asked(), rows.drop(columns="group"), logits).about()
    assert by_image["forecast"] != about["forecast"]


def test_predictions_have_a_provenance_that_submitted_takes(
    run: Folder, images: Path, tmp_path: Path, heard: Heard, play: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    play(None, None)
    out, beside = tmp_path / "p.csv", tmp_path / "p.csv.provenance.json"
    placing = Cluster(stall_s=99.0)
    done = predict(run.location, str(images), str(out), heard, placing, decide="argmax")
    found = json.loads(beside.read_text())
    assert found == done.provenance
    assert {name: found[name] for name in done.decided} == done.decided
    assert found["decision"]["asked"] == "argmax"
    assert found["members"] == [f"{run} fold 0", f"{run} fold 1"]
    assert [fold["fold"] for fold in found["runs"][0]["folds"]] == [0, 1]
    assert all(fold["model_sha256"] for fold in found["runs"][0]["folds"])
    assert found["answers"]["columns"] == pd.read_csv(out).columns.tolist()
    assert (found["images"], found["faults"]) == (4, done.faults)
    asked = found["settings"]
    assert (asked["images"], asked["by_group"], asked["prior"]) == (str(images), False, "none")
    assert asked["cluster"]["stall_s"] == 99.0
    (images / "g.csv").write_text("path,group\nb.png,P1\nx/c.png,P2\na.png,P1\n")
    done = predict(run.location, str(images / "g.csv"), str(out), heard, by_group=True)
    assert (done.images, done.provenance["images"]) == (3, 2)
    assert done.provenance["by_group"] == "mean over the images of each group"
    assert done.provenance["answers"]["columns"][0] == "group"
    # What came back is kept beside it, as beside a submission.
    assert submitted(str(out), 0.5).runs == (str(run),)
    assert json.loads(beside.read_text())["submitted"][0]["public"] == 0.5
    # Written last: without the file there is none.
    beside.unlink()

    def full(*given: object) -> None:
        raise RunFailed("the disk is full")

    monkeypatch.setattr(OutputFile, "write", full)
    with pytest.raises(RunFailed, match="full"):
        predict(run.location, str(images), str(out), heard)
    assert not beside.exists()


def test_nothing_is_fitted_on_images_of_groups_that_were_trained_on(tmp_path: Path) -> None:
    run, rows, logits = grouped_run(tmp_path / "run", ["folds.scheme=image"])
    found = _decided(run, [0, 1], Asked(), rows, logits)
    assert found.decision.rule == "argmax"
    assert "was trained on images of the groups that it held out" in found.decision.why
    assert found.about()["forecast"]["value"] is None
    with pytest.raises(UserError, match=r"--decide tuned is fitted on held-out images, and .* was"):
        _decided(run, [0, 1], Asked("tuned"), rows, logits)


def test_other_tasks_get_class_names_and_a_column_for_each_class() -> None:
    rows = pd.DataFrame({"path": ["a.png", "b.png"]})
    mean = np.array([[0.0, 2, 0, 0], [np.nan] * 4])
    lines = _csv(FRUIT, rows, mean).decode().splitlines()
    assert lines[0] == "path,label,apple,banana,cherry,date"
    path, answer, *probs = lines[1].split(",")
    assert (path, answer) == ("a.png", "banana")
    assert [float(p) for p in probs] == pytest.approx(softmax(mean[0]), abs=1e-9)
    assert lines[2] == "b.png,,,,,"
    folders = rows.assign(group=["x", "x"])
    found = _csv(FRUIT, folders, mean).decode().splitlines()
    assert found[0] == "group,label,apple,banana,cherry,date"
    assert found[1:] == [lines[1].replace("a.png", "x")]
    # The answer is the class, whatever the submission has of it.
    skin = _csv(SKIN, rows, mean[:, :2]).decode().splitlines()
    assert skin[0] == "path,label,0,1"
    assert skin[1].startswith("a.png,1,")


@pytest.mark.parametrize("text", ["cluster.threads=4", "cluster.workers_per_fold = 2"])
def test_placement_without_effect_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "run", "images", "--out", "p.csv", "--set", text]) == 2
    assert "has no effect on predict" in capsys.readouterr().err


def test_answers_repeat_the_names_of_the_csv(images: Path, heard: Heard) -> None:
    (images / "new.csv").write_text("image\nb\na.png\n")
    rows = find_images(str(images / "new.csv"), heard).rows
    assert rows["path"].tolist() == ["b.png", "a.png"]
    first = [line.split(",")[0] for line in _csv(FRUIT, rows, np.zeros((2, 4))).decode().split()]
    assert first == ["path", "b", "a.png"]
