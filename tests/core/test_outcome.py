"""What an exception means for the attempt that it ended."""

import pickle  # noqa: TID251 (as Ray does between processes)

import pytest

from maskcls.core.errors import (
    GpuFault,
    HubUnavailable,
    RunFailed,
    Stopped,
    StorageError,
    Superseded,
    UserError,
)
from maskcls.core.outcome import Kind, Outcome, outcome_of


def caught(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as e:
        return e


@pytest.mark.parametrize(
    ("error", "kind", "text", "leave_node", "by_input"),
    [
        (Stopped("stopped at x"), "stopped", "stopped at x", False, False),
        (UserError("a sentence"), "user_error", "a sentence", False, True),
        (StorageError("the disk is full"), "transient", "the disk is full", False, True),
        (HubUnavailable("away"), "transient", "away", False, True),
        (GpuFault("none"), "transient", "GpuFault: none", True, False),
        (RuntimeError("CUDA error: x"), "transient", "RuntimeError: CUDA error: x", True, False),
        (Superseded("replaced"), "transient", "Superseded: replaced", False, False),
        (OSError(5, "I/O"), "transient", "OSError: [Errno 5] I/O", False, False),
        (MemoryError(), "transient", "MemoryError: ", False, False),
        (ValueError("x"), "error", "ValueError: x", False, False),
        (RunFailed("x"), "error", "RunFailed: x", False, False),
    ],
)
def test_kinds(
    error: BaseException, kind: Kind, text: str, leave_node: bool, by_input: bool
) -> None:
    outcome = outcome_of(caught(error))
    assert (outcome.kind, outcome.text) == (kind, text)
    assert (outcome.leave_node, outcome.by_input) == (leave_node, by_input)


@pytest.mark.parametrize("error", [StorageError("full"), GpuFault("x"), ValueError("x")])
def test_the_kind_is_the_same_after_a_pickle_round_trip(error: Exception) -> None:
    travelled = pickle.loads(pickle.dumps(error))  # noqa: S301 (our own)
    one, two = outcome_of(error), outcome_of(travelled)
    assert (one.kind, one.text, one.leave_node) == (two.kind, two.text, two.leave_node)


def test_the_detail_is_the_traceback() -> None:
    outcome = outcome_of(caught(ValueError("x")))
    assert outcome.detail.startswith("Traceback")
    assert "in caught" in outcome.detail
    assert outcome.detail.endswith("ValueError: x\n")


def test_an_outcome_is_a_value() -> None:
    outcome = outcome_of(caught(StorageError("full")))
    assert pickle.loads(pickle.dumps(outcome)) == outcome  # noqa: S301 (our own)
    assert Outcome("done") == Outcome("done", "", "", False, False)
