"""Files named by --out: links, devices, pipes, and names with a question mark."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from maskcls.core.errors import RunFailed, UserError
from maskcls.store.folder import Folder
from maskcls.store.outputs import OutputFile, is_stdout

CONTENT = b"ImageID,ans\na.jpg,3\n"


def _write(output: OutputFile) -> None:
    output.write(CONTENT)


def _fill(output: OutputFile) -> None:
    output.fill(lambda path: path.write_bytes(CONTENT) and None)


both = pytest.mark.parametrize("write", [_write, _fill])


@both
@pytest.mark.parametrize(
    "name", ["what?.csv", "?", "a?b=c.csv", "a#b.csv", "100%.csv", "a%20b.csv"]
)
def test_every_letter_of_a_local_name_is_meant(
    tmp_path: Path, write: Callable[[OutputFile], None], name: str
) -> None:
    write(OutputFile.at(f"{tmp_path}/{name}"))
    assert [p.name for p in tmp_path.iterdir()] == [name]
    folder, read = Folder.of_file(f"{tmp_path}/{name}")
    assert folder.read_bytes(read) == CONTENT


def test_a_question_mark_in_a_folder_and_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _write(OutputFile.at("runs?/what?.csv"))
    _write(OutputFile.at("who?.csv"))
    assert (tmp_path / "runs?/what?.csv").read_bytes() == CONTENT
    assert (tmp_path / "who?.csv").read_bytes() == CONTENT
    assert Folder.at("runs?").location == str(tmp_path / "runs?")


def test_a_file_uri_is_decoded(tmp_path: Path) -> None:
    _write(OutputFile.at(f"file://{tmp_path}/a%20b%3F.csv"))
    assert [p.name for p in tmp_path.iterdir()] == ["a b?.csv"]


@both
def test_a_links_target_is_written_and_the_link_stays(
    tmp_path: Path, write: Callable[[OutputFile], None]
) -> None:
    (tmp_path / "there").mkdir()
    target = tmp_path / "there/target.csv"
    target.write_bytes(b"old")
    (tmp_path / "second").symlink_to("there/target.csv")
    (tmp_path / "link.csv").symlink_to("second")
    (tmp_path / "new.csv").symlink_to("there/new.csv")  # to nothing yet
    for name in ("link.csv", "new.csv"):
        write(OutputFile.at(f"{tmp_path}/{name}"))
        assert (tmp_path / name).is_symlink()
    assert target.read_bytes() == CONTENT
    assert sorted(p.name for p in target.parent.iterdir()) == ["new.csv", "target.csv"]
    assert len(list(tmp_path.iterdir())) == 4


def test_a_runs_own_file_replaces_a_link(tmp_path: Path) -> None:
    """A copy of a run made of links must not write into the run it was copied from."""
    (tmp_path / "original.json").write_bytes(b"old")
    (tmp_path / "record.json").symlink_to("original.json")
    Folder.at(tmp_path).write_bytes("record.json", b"new")
    assert (tmp_path / "original.json").read_bytes() == b"old"


@both
def test_a_pipe_is_written_through(tmp_path: Path, write: Callable[[OutputFile], None]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to("pipe")
    output = OutputFile.at(f"{tmp_path}/link")
    assert output.is_stream
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write(output)
    reader.join()
    assert read == [CONTENT]
    assert pipe.is_fifo()


@both
def test_a_device_is_written_through(tmp_path: Path, write: Callable[[OutputFile], None]) -> None:
    (tmp_path / "link.csv").symlink_to("/dev/null")
    for location in ("/dev/null", f"{tmp_path}/link.csv"):
        output = OutputFile.at(location)
        assert output.is_stream
        write(output)
        assert Path(location).is_char_device()


def test_a_full_device_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"^/dev: the disk is full"):
        _write(OutputFile.at("/dev/full"))


def test_what_takes_no_file_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "outer").symlink_to("folder")
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(tmp_path) if len(str(tmp_path)) > 90 else None
        server.bind(str(tmp_path / "socket")[-100:])
        for name, why in {
            "socket": "this is a socket", "loop": "part of a cycle", "folder": "this is a folder",
            "outer": "this is a folder",
        }.items():  # fmt: skip
            with pytest.raises(UserError, match=why):
                OutputFile.at(f"{tmp_path}/{name}")
    with pytest.raises(UserError, match="descriptor 987 is not open"):
        OutputFile.at("/dev/fd/987")
    with pytest.raises(UserError, match="names no file"):
        OutputFile.at("s3://bucket")


_TO_STDOUT = """
import sys
from maskcls.store.outputs import OutputFile, is_stdout
print("before")
output = OutputFile.at(sys.argv[1])
assert output.is_stream and is_stdout(sys.argv[1])
output.write(b"content\\n")
print("after")
"""


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
def test_stdout_gets_it_in_its_place(tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    command = [sys.executable, "-c", _TO_STDOUT, name]
    piped = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    with (tmp_path / "file").open("w") as file:
        subprocess.run(command, cwd=tmp_path, stdout=file, check=True)
    assert piped.stdout == (tmp_path / "file").read_text() == "before\ncontent\nafter\n"


def test_other_names_are_not_stdout(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/stderr")
    for location in (str(tmp_path / "a.csv"), str(tmp_path / "link"), "/dev/null", "s3://b/stdout"):
        assert not is_stdout(location)


def test_a_reader_that_has_gone_is_a_failure(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        with pytest.raises(RunFailed, match="its reader has gone"):
            _write(OutputFile.at(f"/dev/fd/{write}"))
    finally:
        os.close(write)
