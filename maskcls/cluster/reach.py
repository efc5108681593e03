"""Several machines need storage that all of them reach; asked before anything starts."""

from collections.abc import Sequence
from typing import Any

from maskcls.cluster.plan import Plan
from maskcls.core.errors import UserError
from maskcls.core.hashing import digest_of_bytes
from maskcls.core.progress import Progress
from maskcls.store.paths import Folder

_TIMEOUT_S = 60.0


def require_shared(
    plan: Plan,
    own_node: str,
    files: Sequence[tuple[Folder, str]],
    progress: Progress,
    arguments: str,
) -> None:
    """Make sure that each machine that folds may go to reads the same files as this one.

    own_node: Ray's name of this machine. files: folder and name of files that are there; they stand
    for all that lies beside them. arguments: what of the command line they belong to, for the
    message. A machine that does not answer within a minute is only named: its folds will find out.
    Raises UserError when one has other files, or none.
    """
    import ray

    expected = [_digest(folder.location, name) for folder, name in files]
    nodes = [n for n in ray.nodes() if n["Alive"] and n["NodeID"] != own_node and _fits(n, plan)]
    asked = {_ask(node["NodeID"], files): node for node in nodes}
    if asked:
        ray.wait(list(asked), num_returns=len(asked), timeout=_TIMEOUT_S)
    for task, node in asked.items():
        answer = _answer(task)
        if answer is None:
            progress.warn(f"machine {_name(node)} does not say whether it reaches the storage")
            continue
        for (folder, _), mine, theirs in zip(files, expected, answer, strict=True):
            if theirs != mine:
                raise UserError(
                    f"{folder.shown}: not there on machine {_name(node)}, where folds may run; with"
                    f" several machines, {arguments} must lie on storage that all of them reach (an"
                    " object store, or NFS at one path)."
                )


def _fits(node: dict[str, Any], plan: Plan) -> bool:
    """Whether a worker of any fold fits; those of a run may differ in CPUs."""
    has, folds = node["Resources"], range(len(plan.cpus_per_worker))
    return any(
        all(has.get(name, 0) >= need for name, need in plan.resources_of(fold).items())
        for fold in folds
    )


def _ask(node: str, files: Sequence[tuple[Folder, str]]) -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    strategy = NodeAffinitySchedulingStrategy(node, soft=False)
    task = ray.remote(num_cpus=0, scheduling_strategy=strategy, max_retries=0)(_digests)
    return task.remote([(folder.location, name) for folder, name in files])


def _answer(task: Any) -> list[bytes | None] | None:
    """What _digests found on a machine; None when it has not answered, or is gone meanwhile."""
    import ray
    from ray.exceptions import RayError

    try:
        found: list[bytes | None] = ray.get(task, timeout=0)
    except RayError:  # GetTimeoutError is one, too
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


def _name(node: dict[str, Any]) -> str:
    return str(node.get("NodeManagerHostname") or node["NodeID"][:8])
