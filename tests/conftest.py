"""What all tests share: nothing of the user's, and no Ray but the test's own."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import settings

from maskcls.cluster.session import LOCAL_ENVIRONMENT
from maskcls.core.progress import FoldState

# The same examples in every run of CI; elsewhere new ones are tried each time.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
# Ray's processes and the preflight inherit this; the model hub must not be reached by a test.
os.environ["HF_HUB_OFFLINE"] = "1"
# Ray's default, 15, is too near to that of the tests beside it (_NICE): they would take a third of a
# core that its workers need, and the tests with Ray take longest.
os.environ.setdefault("RAY_worker_niceness", "10")
# A fold's end is noticed when Ray polls. The 1 s of maskcls suits long folds; with it each run of these
# tests would take a second or two more. The demo of .ci/run has it.
os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.4")
# Ray reads these once a process, and some tests import parts of it before a session sets them.
os.environ.update(LOCAL_ENVIRONMENT)


_NICE = 19  # gives way to Ray's workers


def pytest_addoption(parser: pytest.Parser) -> None:
    """--all: also the slow tests."""
    parser.addoption("--all", action="store_true", help="also the tests that are marked slow")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow tests only with --all; those that start Ray come last, with -n first and in one process.

    A mark expression (-m) and a test that is named by its full id choose for themselves.
    """
    chosen = config.getoption("markexpr") or any("::" in word for word in config.args)
    if not config.getoption("--all") and not chosen:
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
    # One process is busy with them for as long as the other ones with all the rest.
    is_divided = "PYTEST_XDIST_WORKER" in os.environ
    items.sort(key=lambda item: _starts_ray(item) != is_divided)
    for item in items:
        group = "ray" if _starts_ray(item) else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Two Rays at once on a small machine make tests fail that are right: rather run none."""
    in_a_group = [item.nodeid.endswith("@ray") for item in session.items if _starts_ray(item)]
    if "PYTEST_XDIST_WORKER" in os.environ and not all(in_a_group):
        raise pytest.UsageError("pytest-xdist does not group the tests; run pytest without -n")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Files as parameters: encoders leave bytes undefined, and all processes must collect the same."""
    return argname if isinstance(val, bytes) and len(val) > 40 else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """The process beside the one with Ray gives way to it: what waits there has a time limit."""
    if "PYTEST_XDIST_WORKER" in os.environ and not _starts_ray(item) and os.nice(0) < _NICE:
        os.nice(_NICE - os.nice(0))


def _starts_ray(item: pytest.Item) -> bool:
    return item.get_closest_marker("ray") is not None


@pytest.fixture(autouse=True)
def _own_places(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A cache and a token of the test's own; RAY_ADDRESS would make it join a stranger's cluster."""
    monkeypatch.setenv("MASKCLS_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    before = os.environ.get("PYTHONSAFEPATH")
    yield
    # A command sets it for the processes that it starts; here those of the next test would get it, too.
    # (RAY_AUTH_TOKEN_PATH stays: Ray reads the token once per process.)
    if before is None:
        os.environ.pop("PYTHONSAFEPATH", None)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Tiny networks lose to the threads' waiting for one another; and sums come out the same."""
    torch = sys.modules.get("torch")  # most tests do not load it
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Heard:
    """A Progress that remembers what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self.states: list[FoldState] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def count(self, what: str, done: int, total: int) -> None:
        self.lines.append(f"{what} {done}/{total}")

    def folds(self, states: Sequence[FoldState]) -> None:
        self.states = list(states)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set of drawn people: 12 to train on, 3 for eval, 64x48 images."""
    from maskcls.demo.dataset import write_demo_data

    folder = tmp_path_factory.mktemp("drawn")
    write_demo_data(folder, people=12, eval_people=3, height=64, width=48, processes=1)
    return folder
