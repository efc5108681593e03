"""Which errors need not come again."""

import pytest

from maskcls.core.errors import UserError, may_pass, told_may_pass


def raised_from(cause: BaseException | None) -> UserError:
    try:
        raise UserError("told in a sentence") from cause
    except UserError as e:
        return e


@pytest.mark.parametrize("error", [OSError(28, "full"), ConnectionError(), MemoryError()])
def test_machine_and_storage(error: BaseException) -> None:
    assert may_pass(error)
    assert may_pass(raised_from(error))
    assert may_pass(raised_from(raised_from(error)))


@pytest.mark.parametrize("error", [ValueError("lr"), RuntimeError("CUDA"), ZeroDivisionError()])
def test_settings_and_training(error: BaseException) -> None:
    assert not may_pass(error)
    assert not may_pass(raised_from(error))
    assert not may_pass(raised_from(None))


def test_a_chain_in_a_circle_ends() -> None:
    one, two = ValueError(), KeyError()
    one.__cause__, two.__cause__ = two, one
    assert not may_pass(one)


@pytest.mark.parametrize(
    ("text", "passing"),
    [
        ("OSError: [Errno 5] Input/output error", True),
        ("PermissionError: [Errno 13]", True),
        ("MemoryError: ", True),
        ("TrainingDiverged: epoch 3: training loss is nan", False),
        ("ValueError: x", False),
        ("print: x", False),
        ("", False),
    ],
)
def test_what_another_process_told(text: str, passing: bool) -> None:
    assert told_may_pass(text) == passing
