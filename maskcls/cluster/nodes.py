"""Decoding on other nodes than the driver's, and checking that they reach the same storage.

The driver decodes on its own node. A fold that Ray places on another one, such as a node that was just
started for it, finds no pixels there and decodes them in the same way, pinned to that node; the folds
placed there later wait for the same lock and find them.
"""

import platform
from collections.abc import Callable, Sequence
from typing import Any, NotRequired, Protocol, TypedDict

import pandas as pd

from maskcls.cluster.ingest import ensure_pixels
from maskcls.cluster.plan import Plan
from maskcls.core.errors import StorageError, UserError
from maskcls.core.hashing import digest_of_bytes
from maskcls.core.progress import Progress
from maskcls.pixels.cache import CachePlace, open_cache
from maskcls.store.folder import Folder
from maskcls.store.run import EVAL_TABLE, EXTRA_TABLE, TABLE, Run
from maskcls.store.tables import read_table
from maskcls.training.job import FoldJob

_TIMEOUT_S = 60.0


class _Node(TypedDict):
    """The fields of an entry of ray.nodes() that are read here."""

    NodeID: str
    Alive: bool
    Resources: dict[str, float]
    NodeManagerHostname: NotRequired[str]


def require_here(job: FoldJob) -> None:
    """StorageError when this node does not reach the run's folder and the images.

    The driver asks the nodes that exist when it starts (see require_shared); others may join later.
    """
    run = Run(Folder.at(job.run))
    files = [(run.folder, run.probe_file), (Folder.at(job.data), job.task.places.probe)]
    if job.extra_places is not None:
        files.append((Folder.at(job.config.rows.extra), job.extra_places.probe))
    require_files(files, "DATA, RUN and rows.extra")


def require_files(files: Sequence[tuple[Folder, str]], arguments: str) -> None:
    """StorageError when this node does not reach one of the files.

    files: folder and name; each stands for everything next to it. arguments: of the command line, to
    which they belong, for the message.
    """
    # A StorageError, hence transient: the next attempt may be placed on a node that has the mount.
    for folder, name in files:
        if not folder.exists(name):
            raise StorageError(
                f"{folder}: not there on node {platform.node()}; with several machines,"
                f" {arguments} must be on storage that all of them reach (an object store, or NFS)."
            )


class Signs(Protocol):
    """Shows that this process lives while it decodes, such as a fold's Reporter."""

    def say(self, text: str) -> None:
        """A line for the command's output, or for this process's log."""

    def decoded(self) -> None:
        """More images are decoded."""


def ensure_here(job: FoldJob, reporter: Signs) -> None:
    """Decode the fold's images on this node, unless that is done; reporter: of the fold's worker."""
    run, data, places = Folder.at(job.run), Folder.at(job.data), job.task.places
    _ensure(job.pixels, data.below(places.images), run, TABLE, reporter)
    if job.extra_pixels is not None and job.extra_places is not None:
        extra = Folder.at(job.config.rows.extra).below(job.extra_places.images)
        _ensure(job.extra_pixels, extra, run, EXTRA_TABLE, reporter)
    if job.eval_pixels is not None and places.eval is not None:
        eval_images = data.below(places.eval)
        _ensure(job.eval_pixels, eval_images, run, EVAL_TABLE, reporter)


def _ensure(place: CachePlace, images: Folder, run: Folder, table: str, reporter: Signs) -> None:
    ensure_images(place, images, lambda: read_table(run, table)["path"], reporter)


def ensure_images(
    place: CachePlace,
    images: Folder,
    paths: Callable[[], "pd.Series[str]"],
    reporter: Signs,
) -> None:
    """Decode images on this node, unless that is done.

    place: on this node. paths: returns their paths below images, in row order, [place.rows]; called
    only when they are needed. reporter: see ensure_here. Errors as in ingest.ensure_pixels.
    """
    # Checked before the paths are read: a table may hold millions, and mostly the pixels are there.
    if open_cache(place) is not None:
        return
    import ray

    here = ray.get_runtime_context().get_node_id()
    ensure_pixels(place, images, paths(), _NodeProgress(reporter), node=here)


class _NodeProgress:
    """A Progress that passes everything on to what shows that this process lives."""

    def __init__(self, reporter: Signs) -> None:
        self._reporter = reporter

    def say(self, text: str) -> None:
        """See Progress."""
        self._reporter.say(f"node {platform.node()}: {text}")

    def warn(self, text: str) -> None:
        """See Progress."""
        self.say(text)

    def count(self, what: str, done: int, total: int) -> None:
        """See Progress; a sign of life for the supervisor, whichever rank decodes."""
        self._reporter.decoded()

    def folds(self, states: object) -> None:
        """See Progress; a worker has no other folds."""


def require_shared(
    plan: Plan,
    own_node: str,
    files: Sequence[tuple[Folder, str]],
    progress: Progress,
    arguments: str,
) -> None:
    """Check that each node on which folds may be placed reads the same files as this one.

    own_node: Ray's name of this node. files: folder and name of existing files; each stands for
    everything next to it. arguments: of the command line, to which they belong, for the message. A node
    that does not answer within a minute gives a warning only: its folds check again (require_here).
    Raises UserError when a node has other files, or none.
    """
    import ray

    # By content: the same path may exist on another node with other files, such as /data.
    expected = [_digest(folder.location, name) for folder, name in files]
    nodes = [n for n in ray.nodes() if n["Alive"] and n["NodeID"] != own_node and _fits(n, plan)]
    # All are asked before any is waited for: the timeout is for all nodes together.
    asked = {_ask(node["NodeID"], files): node for node in nodes}
    if asked:
        ray.wait(list(asked), num_returns=len(asked), timeout=_TIMEOUT_S)
    for task, node in asked.items():
        answer = _answer(task)
        if answer is None:
            progress.warn(f"machine {_name(node)} does not report whether it reaches the storage")
            continue
        for (folder, _), mine, theirs in zip(files, expected, answer, strict=True):
            if theirs != mine:
                raise UserError(
                    f"{folder.shown}: not there on machine {_name(node)}, where folds may run; with"
                    f" several machines, {arguments} must be on storage that all of them reach (an"
                    " object store, or NFS at one path)."
                )


def _fits(node: _Node, plan: Plan) -> bool:
    """Whether a worker of any fold fits; those of a run may differ in CPUs."""
    has, folds = node["Resources"], range(len(plan.cpus_per_worker))
    return any(
        all(has.get(name, 0) >= need for name, need in plan.resources_of(fold).items())
        for fold in folds
    )


def _ask(node: str, files: Sequence[tuple[Folder, str]]) -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    # 0 CPUs, since folds of another run may hold all of them; no retry, since a node that is gone
    # does not come back under its id.
    strategy = NodeAffinitySchedulingStrategy(node, soft=False)
    task = ray.remote(num_cpus=0, scheduling_strategy=strategy, max_retries=0)(_digests)
    return task.remote([(folder.location, name) for folder, name in files])


def _answer(task: Any) -> list[bytes | None] | None:
    """What _digests found on a node; None when it has not answered, or is gone meanwhile."""
    import ray
    from ray.exceptions import RayError

    try:
        found: list[bytes | None] = ray.get(task, timeout=0)
    except RayError:  # includes GetTimeoutError
        return None
    return found


def _digests(files: Sequence[tuple[str, str]]) -> list[bytes | None]:
    return [_digest(location, name) for location, name in files]


def _digest(location: str, name: str) -> bytes | None:
    """Digest of a file's bytes; None when it cannot be read."""
    try:
        return digest_of_bytes(Folder.at(location).read_bytes(name))
    except (OSError, UserError):
        return None


def _name(node: _Node) -> str:
    return str(node.get("NodeManagerHostname") or node["NodeID"][:8])
