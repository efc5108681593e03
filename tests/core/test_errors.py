"""Which errors need not come again: decided by their type, which survives pickling."""

import pickle  # noqa: TID251 (as Ray does between processes)
import subprocess
import sys

import pytest

from maskcls.core.errors import (
    FoldsFailed,
    GpuFault,
    HubUnavailable,
    RunFailed,
    Stopped,
    StorageError,
    Superseded,
    UserError,
    is_gpu_fault,
    is_transient,
)


def raised_from(cause: BaseException | None, kind: type[Exception] = UserError) -> Exception:
    try:
        raise kind("a sentence") from cause
    except kind as e:
        return e


def pickled(error: BaseException) -> BaseException:
    found: BaseException = pickle.loads(pickle.dumps(error))  # noqa: S301 (our own)
    return found


INFRASTRUCTURE = [
    StorageError("the disk is full"),
    HubUnavailable("the hub does not answer"),
    GpuFault("no GPU here"),
    Superseded("attempt 1 was replaced"),
    OSError(28, "full"),
    FileNotFoundError(2, "gone"),
    ConnectionError(),
    MemoryError(),
    subprocess.TimeoutExpired(["git"], 10),
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
]
OURS = [
    UserError("a wrong setting"),
    RunFailed("failed"),
    FoldsFailed("fold 1 failed", by_training=True),
    Stopped("stopped after checkpoint epoch-0001"),
    ValueError("lr"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    ZeroDivisionError(),
    KeyError("x"),
]


@pytest.mark.parametrize("error", INFRASTRUCTURE, ids=repr)
def test_machine_and_storage_are_transient(error: BaseException) -> None:
    assert is_transient(error)
    assert is_transient(pickled(error))
    assert type(pickled(error)) is type(error)
    assert str(pickled(error)) == str(error)


@pytest.mark.parametrize("error", OURS, ids=repr)
def test_settings_and_training_are_not(error: BaseException) -> None:
    assert not is_transient(error)
    assert not is_transient(pickled(error))
    assert type(pickled(error)) is type(error)
    assert str(pickled(error)) == str(error)


@pytest.mark.parametrize("cause", INFRASTRUCTURE, ids=repr)
def test_bad_input_is_not_transient_whatever_it_was_raised_from(cause: BaseException) -> None:
    # Its cause is lost when it is pickled, so it must not count before either.
    error = raised_from(cause)
    assert not is_transient(error)
    assert not is_transient(pickled(error))
    assert not is_transient(raised_from(error))


@pytest.mark.parametrize("cause", [None, ValueError("x"), UserError("x")], ids=repr)
@pytest.mark.parametrize("kind", [StorageError, HubUnavailable, GpuFault, Superseded])
def test_an_infrastructure_failure_is_one_whatever_it_was_raised_from(
    kind: type[Exception], cause: BaseException | None
) -> None:
    assert is_transient(raised_from(cause, kind))
    assert is_transient(pickled(raised_from(cause, kind)))


@pytest.mark.parametrize("cause", INFRASTRUCTURE, ids=repr)
def test_any_other_error_raised_from_an_infrastructure_failure_is_one(cause: BaseException) -> None:
    assert is_transient(raised_from(cause, RuntimeError))
    assert is_transient(raised_from(raised_from(cause, RuntimeError), ValueError))


def test_a_chain_in_a_circle_ends() -> None:
    one, two = ValueError(), KeyError()
    one.__cause__, two.__cause__ = two, one
    assert not is_transient(one)


@pytest.mark.parametrize("name", ["OutOfMemoryError", "AcceleratorError"])
@pytest.mark.parametrize("module", ["torch", "torch.cuda"])
def test_torchs_own_types_are_a_gpu_fault(name: str, module: str) -> None:
    kind = type(name, (RuntimeError,), {"__module__": module})
    derived = type("Derived", (kind,), {"__module__": "somewhere"})
    for error in (kind("anything"), derived("anything")):
        assert is_gpu_fault(error)
        assert is_transient(error)
    stranger = type(name, (RuntimeError,), {"__module__": "torchlike"})("anything")
    assert not is_gpu_fault(stranger)
    assert not is_transient(stranger)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (GpuFault("x"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), True),
        (RuntimeError("CUBLAS_STATUS_NOT_INITIALIZED when calling cublasCreate"), True),
        (RuntimeError("NVML_SUCCESS == r INTERNAL ASSERT FAILED"), True),
        (ValueError("CUDA error: in a message of another library"), False),
        (RuntimeError("CUDA is not set up; run maskcls doctor"), False),
        (MemoryError(), False),
        (OSError(5, "CUDA error"), False),
    ],
    ids=repr,
)
def test_what_is_a_gpu_fault(error: Exception, expected: bool) -> None:
    assert is_gpu_fault(error) == expected


def test_folds_failed_keeps_what_it_says() -> None:
    for by_training in (False, True):
        found = pickled(FoldsFailed("fold 1 failed: x", by_training))
        assert isinstance(found, FoldsFailed)
        assert (found.text, found.by_training) == ("fold 1 failed: x", by_training)
        assert str(found) == "fold 1 failed: x"


def test_the_types_lie_below_one_another_as_exit_codes_need_it() -> None:
    assert issubclass(StorageError, UserError)
    assert issubclass(HubUnavailable, UserError)
    assert issubclass(FoldsFailed, RunFailed)
    assert not issubclass(Superseded, UserError | RunFailed)
    assert not issubclass(Stopped, UserError | RunFailed)


@pytest.mark.parametrize("module", ["errors", "outcome", "history", "plain", "progress"])
def test_torch_is_not_imported(module: str) -> None:
    code = f"import sys, maskcls.core.{module}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
