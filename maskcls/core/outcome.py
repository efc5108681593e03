"""How an attempt at a fold or a trial ended.

Workers return it as a value, since an exception would lose its cause on the way to the supervisor.
"""

import traceback
from dataclasses import dataclass
from typing import Literal

from maskcls.core.errors import Stopped, UserError, is_gpu_fault, is_out_of_memory, is_transient

Kind = Literal["done", "user_error", "error", "transient", "stopped"]
"""done; bad input that only a worker can find; an error in training, which a retry would repeat; an
infrastructure failure, which may not recur; ended on request, with a checkpoint."""


@dataclass(frozen=True)
class Outcome:
    """text: why; "" when done. detail: for the log. leave_node: try another node than `node` first, of
    which it is Ray's id. by_input: what failed is a UserError, of which text is the sentence, such as
    a full disk. out_of_memory: of the GPU, which comes again unless another process took the memory.
    """

    kind: Kind
    text: str = ""
    detail: str = ""
    leave_node: bool = False
    by_input: bool = False
    out_of_memory: bool = False
    node: str = ""


def outcome_of(error: BaseException) -> Outcome:
    """What an exception means for the attempt that it ended."""
    detail = "".join(traceback.format_exception(error))
    by_input = isinstance(error, UserError)
    text = str(error) if by_input else f"{type(error).__name__}: {error}"
    if isinstance(error, Stopped):
        return Outcome("stopped", str(error))
    # Before the kinds of UserError: a StorageError is one, but worth a retry.
    if is_transient(error):
        return Outcome(
            "transient", text, detail, is_gpu_fault(error), by_input, is_out_of_memory(error)
        )
    return Outcome("user_error" if by_input else "error", text, detail, by_input=by_input)
