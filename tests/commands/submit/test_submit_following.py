"""What is read out of a job's log."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskcls.commands.submit.address import last_line
from maskcls.commands.submit.following import Log, ending
from maskcls.core.errors import Exit, RunFailed

TEXT = "Running entrypoint\n\nfold 0 done\nmaskcls train: exit code 3 (degraded)\n"


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, len(TEXT))), st.lists(st.integers(0, len(TEXT))))
def test_however_a_log_is_cut_each_line_is_shown_once(first: list[int], second: list[int]) -> None:
    shown: list[str] = []
    log = Log("train", shown.append)
    reached = max(first, default=0)
    for cuts, text in ((first, TEXT[:reached]), (second, TEXT)):  # the connection was lost between
        log.rewind()
        ends = [*sorted(cut for cut in cuts if cut < len(text)), len(text)]
        for start, end in zip([0, *ends], ends, strict=False):
            log.take(text[start:end])
    assert shown == TEXT.splitlines()
    assert log.exit_code == 3


def test_the_last_line_tells_the_exit_code_even_without_its_end() -> None:
    log = Log("train", lambda line: None)
    log.take("maskcls train: exit code 0 (good)\nmaskcls train: exit code 130 (interrupted)")
    assert log.exit_code == 0
    log.close()
    assert log.exit_code == 130


@pytest.mark.parametrize(
    "line",
    ["maskcls ensemble: exit code 0 (good)", "he said: maskcls train: exit code 0 (good)",
     "maskcls train: exit code x (good)", "maskcls train: exit code 0"],
)  # fmt: skip
def test_another_line_tells_no_exit_code(line: str) -> None:
    log = Log("train", lambda line: None)
    log.take(line + "\n")
    log.close()
    assert log.exit_code is None


@pytest.mark.parametrize(
    ("status", "reported", "code"),
    [("SUCCEEDED", 0, Exit.GOOD), ("FAILED", 1, Exit.FAILURE), ("FAILED", 2, Exit.MISTAKE),
     ("FAILED", 3, Exit.DEGRADED), ("STOPPED", 130, Exit.INTERRUPTED), ("FAILED", 77, Exit.FAILURE)],
)  # fmt: skip
def test_the_exit_code_is_the_jobs_own(status: str, reported: int, code: Exit) -> None:
    assert ending("train-1", status, None, reported) is code


@pytest.mark.parametrize(
    ("status", "message", "reported", "sentence"),
    [
        ("STOPPED", None, None, "train-1 ended as stopped and its log has no exit code."),
        ("SUCCEEDED", "", None, "train-1 ended as succeeded and its log has no exit code."),
        ("FAILED", "no node\n is free", 0, "as failed and its log has no exit code: no node is free"),
        ("FAILED", "Job failed with exit code 1, last available logs (truncated):\nline", None,
         "code: Job failed with exit code 1"),
    ],
)  # fmt: skip
def test_an_end_without_an_exit_code_is_a_failure_with_a_sentence(
    status: str, message: str | None, reported: int | None, sentence: str
) -> None:
    with pytest.raises(RunFailed) as failed:
        ending("train-1", status, message, reported)
    assert str(failed.value).endswith(sentence)


def test_a_traceback_comes_down_to_its_last_line() -> None:
    text = "Request failed with status code 500: Traceback:\n  File x\nValueError: it exists.\n."
    assert last_line(text) == "ValueError: it exists"
    assert last_line("") == "an error without a text"
