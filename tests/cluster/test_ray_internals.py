"""Every use of something that Ray does not document: without it, the public way is taken and works."""

import logging
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from maskcls.cluster import ray_internals
from maskcls.cluster.ray_internals import SWITCH, internal, submission

pytestmark = pytest.mark.slow  # importing Ray Train takes seconds


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """What was logged in this test; nothing counts as logged before it."""
    monkeypatch.setattr(ray_internals, "_logged", set())
    caplog.set_level(logging.WARNING, "maskcls")
    return lambda: "\n".join(r.getMessage() for r in caplog.records)


def _fails() -> int:
    raise AttributeError("no attribute '_rungs'")


class TestInternal:
    def test_what_is_there_is_used(self, logged: Callable[[], str]) -> None:
        assert internal("a thing", lambda: 1) == 1
        assert logged() == ""

    def test_what_is_missing_is_logged_once(self, logged: Callable[[], str]) -> None:
        assert [internal("a thing", _fails) for _ in range(3)] == [None] * 3
        assert logged() == (
            "Ray's public interface instead of a thing: AttributeError(\"no attribute '_rungs'\")"
        )

    def test_the_switch_turns_internals_off(
        self, logged: Callable[[], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(SWITCH, "1")
        assert internal("a thing", lambda: 1) is None
        assert "MASKCLS_RAY_PUBLIC_ONLY=1" in logged()

    def test_an_error_of_another_kind_is_no_missing_name(self) -> None:
        with pytest.raises(ZeroDivisionError):
            internal("a thing", lambda: 1 // 0)

    def test_nothing_else_uses_what_ray_does_not_document(self) -> None:
        package = Path(ray_internals.__file__).parents[1]
        signs = (
            "ray._",
            "_internal.",
            "ray.train.v2",
            "ray.tune.execution",
            "_temp_dir",
            "_rungs",
            "_brackets",
            "run_metadata",
            "_base_exc",
            "_do_request",
        )
        found = [
            f"{path.relative_to(package.parent)}: {sign}"
            for path in package.parent.rglob("*.py")
            for sign in signs
            if sign in path.read_text() and "ray_internals" not in path.parts
        ]
        assert found == []


class Killed:
    """Counts how often workers were ended the public way."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


class TestTrain:
    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[..., Any]:
        from ray.train import RunConfig, ScalingConfig

        from maskcls.cluster.ray_internals.train import FoldTrainer

        def make(killed: Killed, workers: int = 1, is_local: bool = True) -> Any:
            return FoldTrainer(
                workers, is_local, killed,
                train_loop_per_worker=lambda: 7,
                # Without workers, Ray runs the function in this process.
                scaling_config=ScalingConfig(num_workers=0),
                run_config=RunConfig(name="run", storage_path=str(tmp_path)),
            )  # fmt: skip

        return make

    def test_ray_2_60_has_all_that_is_used(
        self, make: Callable[..., Any], logged: Callable[[], str]
    ) -> None:
        from ray.train.torch import TorchTrainer

        alone, together = make(Killed())._trainer, make(Killed(), workers=2)._trainer
        assert (isinstance(alone, TorchTrainer), isinstance(together, TorchTrainer)) == (
            False,
            True,
        )
        local = {type(c).__name__ for c in alone._create_default_callbacks()}
        joined = make(Killed(), is_local=False)._trainer
        assert "DatasetsCallback" not in local
        assert {type(c).__name__ for c in joined._create_default_callbacks()} - local == {
            "PlacementGroupCleanerCallback"
        }
        assert logged() == ""

    @pytest.mark.parametrize(
        ("module", "name", "what"),
        [
            ("ray.train.v2._internal.callbacks.datasets", "DatasetsCallback", "helper processes"),
            ("ray.train.v2._internal.callbacks.placement_group_callback",
             "PlacementGroupCleanerCallback", "helper processes"),
            ("ray.train.v2._internal.execution.controller", "TrainController", "controller"),
            ("ray.train.v2._internal.constants", "get_env_vars_to_propagate", "controller"),
        ],
    )  # fmt: skip
    def test_each_removed(
        self, make: Callable[..., Any], logged: Callable[[], str], monkeypatch: pytest.MonkeyPatch,
        module: str, name: str, what: str,
    ) -> None:  # fmt: skip
        import ray.train.torch  # noqa: F401  (while Ray is whole)

        monkeypatch.delattr(sys.modules[module], name)
        killed = Killed()
        trainer = make(killed)
        assert what in logged()
        assert "\n" not in logged()
        assert trainer.fit() is not None
        trainer.stop()
        assert killed.times == (what == "controller")
        with pytest.raises(RuntimeError, match="stopped before it began"):
            trainer.fit()

    def test_without_ray_trains_base_class(
        self, logged: Callable[[], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ray.train.torch import TorchTrainer
        from ray.train.v2.api import data_parallel_trainer

        from maskcls.cluster.ray_internals.train import _trainer_class

        monkeypatch.delattr(data_parallel_trainer, "DataParallelTrainer")
        assert _trainer_class(1) is TorchTrainer
        assert "process group" in logged()

    @pytest.mark.parametrize(
        "name", ["_create_default_callbacks", "_initialize_and_run_controller"]
    )
    def test_a_method_of_another_name(
        self, make: Callable[..., Any], logged: Callable[[], str], monkeypatch: pytest.MonkeyPatch,
        name: str,
    ) -> None:  # fmt: skip
        from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

        monkeypatch.delattr(DataParallelTrainer, name)
        assert make(Killed()).fit() is not None
        assert f"has no attribute '{name}'" in logged()

    def test_all_public(
        self, make: Callable[..., Any], logged: Callable[[], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ray.train.torch import TorchTrainer

        monkeypatch.setenv(SWITCH, "1")
        killed = Killed()
        trainer = make(killed)
        assert type(trainer._trainer) is TorchTrainer
        assert logged().count("\n") == 2
        trainer.stop()
        assert killed.times == 1


@dataclass
class Trial:
    """As much of a Tune trial as is looked at."""

    error_file: str | None = None


class Nothing:
    """An object of Ray that has lost what was used."""


class Store(ThreadingHTTPServer):
    """An S3 server that remembers whose keys it was shown."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        assert isinstance(self.server, Store)
        text = self.headers.get("Authorization", "nobody/").partition("Credential=")[2]
        token = self.headers.get("X-Amz-Security-Token", "")
        self.server.seen.append(f"{text.partition('/')[0]} {token}")
        self.send_response(404)
        self.end_headers()

    do_GET = do_HEAD

    def log_message(self, format: str, *args: object) -> None:
        pass


class TestTune:
    @pytest.fixture
    def keys(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_SECURITY_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "our-id")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret%1")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "a-secret-token")

    @staticmethod
    def _runtime_environment() -> str:
        from ray.tune.execution.class_cache import _ActorClassCache

        return str(vars(_ActorClassCache().get(Nothing)))

    @pytest.mark.parametrize("is_public", [False, True])
    def test_keys_are_no_part_of_a_trials_runtime_environment(
        self, keys: None, monkeypatch: pytest.MonkeyPatch, is_public: bool
    ) -> None:
        from ray.tune.execution import class_cache

        from maskcls.cluster.ray_internals.tune import without_aws_keys

        names = set(class_cache.ENV_VARS_TO_PROPAGATE)
        monkeypatch.setattr(class_cache, "ENV_VARS_TO_PROPAGATE", names)
        monkeypatch.setenv(SWITCH, str(int(is_public)))
        assert "a-secret" in self._runtime_environment()
        with without_aws_keys():
            assert "a-secret" not in self._runtime_environment()

    @pytest.mark.parametrize("profile", [None, "ours"])
    def test_without_tunes_list_this_process_takes_its_keys_from_a_file(
        self, keys: None, monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str],
        profile: str | None,
    ) -> None:  # fmt: skip
        from ray.tune.execution import class_cache

        from maskcls.cluster.ray_internals.tune import without_aws_keys
        from maskcls.store.folder import Folder

        monkeypatch.delattr(class_cache, "ENV_VARS_TO_PROPAGATE")
        if profile:
            monkeypatch.setenv("AWS_PROFILE", profile)
        before = dict(os.environ)
        store = Store()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{store.server_address[1]}")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        Thread(target=store.serve_forever, args=(0.01,), daemon=True).start()
        folder = Folder.at("s3://bucket")
        assert not folder.exists("a")
        with without_aws_keys():
            assert "a-secret" not in str(os.environ)
            file = Path(os.environ["AWS_SHARED_CREDENTIALS_FILE"])
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert not folder.exists("b")
        assert not file.exists()
        assert not folder.exists("c")
        store.shutdown()
        store.server_close()
        assert set(store.seen) == {"our-id a-secret-token"}
        assert len(store.seen) >= 3
        assert {name: os.environ.get(name) for name in before} == before
        assert "AWS_SHARED_CREDENTIALS_FILE" not in os.environ
        assert "list of variables" in logged()

    def test_without_keys_there_is_no_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from maskcls.cluster.ray_internals.tune import _KEYS_OF_AWS, without_aws_keys

        for name in (*_KEYS_OF_AWS, "AWS_SHARED_CREDENTIALS_FILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(SWITCH, "1")
        with without_aws_keys():
            assert "AWS_SHARED_CREDENTIALS_FILE" not in os.environ

    def test_the_last_error_is_a_line_or_nothing(
        self, tmp_path: Path, logged: Callable[[], str]
    ) -> None:
        from maskcls.cluster.ray_internals.tune import last_error

        file = tmp_path / "error.txt"
        assert last_error(Trial(error_file=str(file))) is None
        file.write_text("Traceback\nOSError: gone\n\n")
        assert last_error(Trial(error_file=str(file))) == "OSError: gone"
        assert last_error(Trial()) is None
        assert logged() == ""
        assert last_error(Nothing()) is None
        assert "the file with a trial's error" in logged()


TREE = {
    ".gitignore": "/data/\n*.safetensors\n!kept.safetensors\n",
    ".rayignore": "notes/\n",
    "maskcls/.gitignore": "local.py\n",
    "maskcls/a.py": "12345",
    "maskcls/local.py": "x",
    "maskcls/__pycache__/a.pyc": "x",
    "data/image.jpg": "x",
    "maskcls/data/kept.csv": "x",
    "notes/a.md": "x",
    "tracked.safetensors": "x",
    "kept.safetensors": "x",
    "ünï code.py": "x",
    ".venv/bin/python": "x",
}
SENT = {
    ".gitignore", ".rayignore", "maskcls/.gitignore", "maskcls/a.py", "maskcls/data/kept.csv",
    "kept.safetensors", "ünï code.py",
}  # fmt: skip


class TestUploadedFiles:
    @pytest.fixture
    def tree(self, tmp_path: Path) -> Path:
        for name, text in TREE.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        (tmp_path / "loop").symlink_to("nowhere")
        subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
        subprocess.run(["git", "add", "-f", "tracked.safetensors"], cwd=tmp_path, check=True)
        return tmp_path

    def test_git_ignores_what_ray_does(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str]
    ) -> None:
        by_ray = submission.uploaded_files(tree, logging.getLogger("ray"))
        assert logged() == ""
        monkeypatch.setenv(SWITCH, "1")
        by_git = submission.uploaded_files(tree, logging.getLogger("ray"))
        assert set(by_ray) == SENT
        assert by_git == by_ray

    @pytest.mark.parametrize("name", ["_dir_travel", "_get_excludes"])
    def test_without_rays_walk(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str], name: str
    ) -> None:
        from ray._private.runtime_env import packaging

        monkeypatch.delattr(packaging, name)
        assert set(submission.uploaded_files(tree, logging.getLogger("ray"))) == SENT
        assert "walk of a working directory" in logged()

    def test_with_another_signature(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str]
    ) -> None:
        from ray._private.runtime_env import packaging

        monkeypatch.setattr(packaging, "_dir_travel", lambda path, handler: None)
        assert set(submission.uploaded_files(tree, logging.getLogger("ray"))) == SENT
        assert "unexpected keyword" in logged()

    def test_rays_variable_switches_gitignore_off(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("RAY_RUNTIME_ENV_IGNORE_GITIGNORE", "1")
        by_ray = submission.uploaded_files(tree, logging.getLogger("ray"))
        monkeypatch.setenv(SWITCH, "1")
        assert submission.uploaded_files(tree, logging.getLogger("ray")) == by_ray
        assert "data/image.jpg" in by_ray

    def test_without_git_nothing_is_ignored(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(SWITCH, "1")
        monkeypatch.setenv("PATH", str(tree))
        found = set(submission.uploaded_files(tree, logging.getLogger("ray")))
        assert found == set(TREE) - {"maskcls/__pycache__/a.pyc", ".venv/bin/python"}

    def test_a_folder_that_cannot_be_read_is_an_error(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(SWITCH, "1")
        with pytest.raises(OSError, match="No such file"):
            submission.uploaded_files(tree / "none", logging.getLogger("ray"))
