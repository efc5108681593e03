"""Which attempt may write: the token in attempt.json decides, and is read each time."""

import pickle  # noqa: TID251 (as Ray does between processes)
import re

import pytest

from maskcls.core.errors import StorageError, Superseded, is_transient
from maskcls.store.attempt import Attempt, Fence

ONE, TWO = Attempt(1, "one"), Attempt(2, "two")


class File:
    """attempt.json, and how often it was read."""

    def __init__(self, content: Attempt | None) -> None:
        self.content, self.reads = content, 0

    def read(self) -> Attempt | None:
        self.reads += 1
        return self.content


def test_each_attempt_has_a_token_of_its_own() -> None:
    tokens = {Attempt.new(1).token for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch(r"[0-9a-f]{16}", token) for token in tokens)
    assert Attempt.new(3).number == 3
    assert not Attempt.new(3).stop


def test_its_own_attempt_passes() -> None:
    fence = Fence(File(ONE).read, ONE)
    fence.check()
    assert not fence.stop_requested()


@pytest.mark.parametrize("now", [TWO, Attempt(1, "two"), Attempt(1, "two", stop=True)])
def test_another_token_is_refused_whatever_its_number(now: Attempt) -> None:
    fence = Fence(File(now).read, ONE)
    for ask in (fence.check, fence.stop_requested):
        with pytest.raises(Superseded, match=f"attempt 1 was replaced by attempt {now.number}"):
            ask()


def test_a_worker_that_was_replaced_is_transient_also_when_it_travelled() -> None:
    with pytest.raises(Superseded) as raised:
        Fence(File(TWO).read, ONE).check()
    assert is_transient(raised.value)
    assert is_transient(pickle.loads(pickle.dumps(raised.value)))  # noqa: S301 (our own)


def test_the_request_to_stop_is_seen_and_refuses_nothing() -> None:
    file = File(ONE)
    fence = Fence(file.read, ONE)
    assert not fence.stop_requested()
    file.content = Attempt(1, "one", stop=True)
    assert fence.stop_requested()
    fence.check()


def test_the_file_is_read_each_time() -> None:
    file = File(ONE)
    fence = Fence(file.read, ONE)
    fence.check()
    fence.check()
    assert file.reads == 2
    file.content = TWO
    with pytest.raises(Superseded):
        fence.check()


def test_without_a_file_nothing_is_refused() -> None:
    fence = Fence(File(None).read, ONE)
    fence.check()
    assert not fence.stop_requested()


def test_a_worker_without_an_attempt_is_never_refused_and_reads_nothing() -> None:
    file = File(TWO)
    fence = Fence(file.read, None)
    fence.check()
    assert not fence.stop_requested()
    assert file.reads == 0


def test_storage_that_does_not_answer_is_no_permission_to_write() -> None:
    def away() -> Attempt | None:
        raise StorageError("away")

    fence = Fence(away, ONE)
    for ask in (fence.check, fence.stop_requested):
        with pytest.raises(StorageError):
            ask()
