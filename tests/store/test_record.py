"""How a command ended is in the record; that it cannot be written hides no error."""

import logging
from typing import Any

import pytest

from maskcls.core.errors import Exit, RunFailed, UserError
from maskcls.store.record import ending


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (UserError("a mistake"), Exit.MISTAKE),
        (RunFailed("a failure"), Exit.FAILURE),
        (ZeroDivisionError(), Exit.FAILURE),
    ],
)
def test_an_error_is_noted_and_goes_on(error: BaseException, code: Exit) -> None:
    entry: dict[str, Any] = {}
    written: list[int] = []
    with pytest.raises(type(error)), ending(entry, lambda: written.append(entry["exit_code"])):
        raise error
    assert written == [code]
    assert entry["ended"]


def test_a_good_end_is_what_the_command_says() -> None:
    entry: dict[str, Any] = {}
    with ending(entry, lambda: None) as end:
        end.exit_code = Exit.DEGRADED
    assert entry["exit_code"] == Exit.DEGRADED


def away() -> None:
    raise OSError(5, "Input/output error")


def test_a_record_that_cannot_be_written_hides_no_error(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(RunFailed, match="fold 1 failed"),
        ending({}, away),
    ):
        raise RunFailed("fold 1 failed")
    assert "cannot be written" in caplog.text


def test_a_record_that_cannot_be_written_is_an_error_by_itself() -> None:
    with pytest.raises(OSError, match="Input/output"), ending({}, away) as end:
        end.exit_code = Exit.GOOD
