"""How a command ended is in the record; that it cannot be written hides no error."""

import json
import logging
import subprocess
from pathlib import Path
from typing import Any

import pytest

from maskcls.core.errors import Exit, RunFailed, StorageError, UserError
from maskcls.core.plain import to_plain
from maskcls.store import record
from maskcls.store.record import FORMAT, Record, Start, ending, git_commit


def a_start() -> Start:
    return Record.new({}).add_start(["maskcls", "train"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (UserError("a mistake"), Exit.MISTAKE),
        (StorageError("the disk is full"), Exit.MISTAKE),
        (RunFailed("a failure"), Exit.FAILURE),
        (ZeroDivisionError(), Exit.FAILURE),
    ],
)
def test_an_error_is_noted_and_raised(error: BaseException, code: Exit) -> None:
    start = a_start()
    written: list[int | None] = []
    with (
        pytest.raises(type(error)) as raised,
        ending(start, lambda: written.append(start.exit_code)),
    ):
        raise error
    assert raised.value is error
    assert written == [code]
    assert start.ended


def test_a_good_end_is_what_the_command_says() -> None:
    start = a_start()
    with ending(start, lambda: None) as end:
        end.exit_code = Exit.DEGRADED
    assert start.exit_code == Exit.DEGRADED
    assert start.ended


def away() -> None:
    raise OSError(5, "Input/output error")


def test_a_record_that_cannot_be_written_hides_no_error(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(RunFailed, match="fold 1 failed"),
        ending(a_start(), away),
    ):
        raise RunFailed("fold 1 failed")
    assert "cannot be written" in caplog.text


def test_a_record_that_cannot_be_written_is_an_error_by_itself() -> None:
    with pytest.raises(OSError, match="Input/output"), ending(a_start(), away) as end:
        end.exit_code = Exit.GOOD


def a_record() -> Record:
    record = Record.new({"location": "/data", "images": 84, "fingerprint": None})
    record.add_start(["maskcls", "train"]).exit_code = 0
    record.add_start(["maskcls", "train", "--run", "s3://key:secret@bucket/run"])
    record.plan = {"device": "cpu", "threads": [1, 1]}
    return record


def test_a_record_comes_back_as_it_was() -> None:
    record = a_record()
    assert Record.from_json(json.loads(json.dumps(to_plain(record))), "x") == record
    assert record.last_start is record.starts[1]
    assert Record.new({}).last_start is None


def test_a_start_holds_no_credentials_and_is_open() -> None:
    start = a_record().starts[1]
    assert not any("secret" in word for word in start.command)
    assert start.command[:3] == ["maskcls", "train", "--run"]
    assert (start.ended, start.exit_code, start.dashboard) == (None, None, None)


@pytest.mark.parametrize("other", [1, FORMAT + 1, None])
def test_a_record_of_another_format_is_refused_by_name(other: int | None) -> None:
    values = to_plain(a_record()) | {"format": other}
    with pytest.raises(UserError, match=rf"^RUN/record\.json: .*\(format {other}, .*{FORMAT}\)"):
        Record.from_json(values, "RUN/record.json")


def test_a_record_of_format_1_is_refused_before_its_fields_are_looked_at() -> None:
    with pytest.raises(UserError, match=r"another version of maskcls \(format 1, this one reads 3"):
        Record.from_json({"format": 1, "starts": [{"pid": 1}]}, "x")


def test_what_came_later_may_be_missing() -> None:
    values: dict[str, Any] = to_plain(a_record())
    del values["plan"]
    for start in values["starts"]:
        del start["dashboard"]
    found = Record.from_json(values, "x")
    assert found.plan is None
    assert [start.dashboard for start in found.starts] == [None, None]


def test_a_missing_field_is_named() -> None:
    values: dict[str, Any] = to_plain(a_record())
    del values["data"]
    with pytest.raises(KeyError, match="data"):
        Record.from_json(values, "x")


def test_the_commit_says_which_changes_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
    ):  # set where git itself runs the tests
        monkeypatch.delenv(name, raising=False)

    def git(*words: str) -> str:
        own = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *own, *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    module, other = tmp_path / "record.py", tmp_path / "other.py"
    monkeypatch.setattr(record, "__file__", str(module))
    module.write_text("a = 1\n")
    assert git_commit() is None  # no repository
    git("init", "-q")
    other.write_text("b = 1\n")
    git("add", "other.py")
    git("commit", "-qm", "first")
    assert git_commit() is None  # a user's repository, with this program installed in it
    git("add", "record.py")
    git("commit", "-qm", "second")
    clean = git("rev-parse", "HEAD")
    assert git_commit() == clean
    found = []
    for text in ("b = 2\n", "b = 3\n", "b = 2\n"):
        other.write_text(text)
        found.append(git_commit())
    assert all(one and one.startswith(f"{clean}-dirty-") for one in found)
    assert found[0] == found[2] != found[1]
    git("add", "other.py")
    assert git_commit() == found[0]  # staged or not
    for setting in ("core.abbrev=12", "color.ui=always", "diff.noprefix=true",
                    "diff.mnemonicPrefix=true", "diff.context=1", "diff.relative=true"):  # fmt: skip
        git("config", *setting.split("="))
    assert git_commit() == found[0]  # whatever the user's settings
