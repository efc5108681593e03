"""The ways a command can end, and the exceptions that say so; all survive pickling by their type.

    UserError            bad input: exit code 2
      StorageError       storage or disk failed for now: exit code 2, but worth a retry
      HubUnavailable     the model hub does not answer for now: the same
    RunFailed            something failed that is not the user's input: exit code 1
      FoldsFailed        folds of a run failed
    GpuFault             the GPU or its driver failed: worth a retry, first on another node
    Stopped              ended on request, with a checkpoint
    Superseded           another attempt has replaced this one, which must end and write nothing

An exception loses its __cause__ when it is pickled, as between processes of Ray. The
decision to retry therefore depends on the type, never on a message.
"""

from enum import IntEnum
from subprocess import TimeoutExpired


class Exit(IntEnum):
    """Exit codes; a job's last log line repeats them, since Ray reports every failure as 1."""

    GOOD = 0
    FAILURE = 1
    """A bug, a lost machine, a fold that failed."""
    MISTAKE = 2
    """The user's input is wrong; nothing was started, nothing is lost."""
    DEGRADED = 3
    """Done, but the result lacks something, which a message names."""
    INTERRUPTED = 130
    """Ctrl-C or SIGTERM; the same command resumes."""


class UserError(Exception):
    """Bad input, in one sentence: where, what, what to do. Exit code 2, no traceback."""


class StorageError(UserError):
    """Storage failed for now; a retry may succeed."""


class HubUnavailable(UserError):
    """The model hub did not answer; a retry may succeed."""


class RunFailed(Exception):
    """Something failed that is not the user's input; the message says what and where the log is."""


class FoldsFailed(RunFailed):
    """Folds of a run failed; by_training: one of them by its own error, which a retry would repeat."""

    def __init__(self, text: str, by_training: bool = False) -> None:
        # Both arguments, since pickle rebuilds an exception from args.
        super().__init__(text, by_training)
        self.text, self.by_training = text, by_training

    def __str__(self) -> str:
        return self.text


class GpuFault(Exception):
    """A GPU that the cluster assigned cannot be used; that of another node may work."""


class Stopped(Exception):
    """A fold ended on request, after it had written a checkpoint."""


class Superseded(Exception):
    """Another attempt at this fold has replaced this one."""


_TRANSIENT = (
    StorageError,
    HubUnavailable,
    GpuFault,
    Superseded,
    OSError,
    MemoryError,
    TimeoutExpired,
)


def is_transient(error: BaseException) -> bool:
    """Whether an error is an infrastructure failure, which may not recur in a retry.

    Unavailable storage, a full disk, a lack of memory, a GPU fault. Any other kind of UserError is not
    one, whatever it was raised from: a wrong setting, or a loss that became NaN or inf, recurs.
    """
    # Along the chain: libraries wrap an OSError in errors of their own. A chain may be a cycle.
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        if isinstance(cause, _TRANSIENT) or is_gpu_fault(cause):
            return True
        # Raised where its cause was known: a missing file is an OSError, too, but bad input.
        if isinstance(cause, UserError):
            return False
        seen.append(cause)
        cause = cause.__cause__
    return False


# What torch raises for a fault of the GPU itself: AcceleratorError for CUDA's errors (ECC, launch
# failures, a lost device), OutOfMemoryError when another process on a shared GPU took the memory.
# By name, since core must not import torch; RuntimeErrors of libraries below torch are recognised
# by those libraries' own words.
_GPU_TYPES = ("AcceleratorError", "OutOfMemoryError")
_GPU_SIGNS = ("CUDA error", "CUDNN_STATUS", "cuDNN error", "CUBLAS_STATUS", "NVML")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the GPU's memory did not suffice."""
    return "OutOfMemoryError" in _torch_types(error)


def _torch_types(error: BaseException) -> list[str]:
    return [k.__name__ for k in type(error).__mro__ if k.__module__.split(".")[0] == "torch"]


def is_gpu_fault(error: BaseException) -> bool:
    """Whether an error is of the GPU or its driver."""
    if isinstance(error, GpuFault):
        return True
    if any(name in _GPU_TYPES for name in _torch_types(error)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _GPU_SIGNS)
