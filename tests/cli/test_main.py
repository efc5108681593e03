"""The command line as a process: what its environment may look like, and what it imports."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from maskcls.cli.main import main
from maskcls.config.resolve import resolve, to_json
from maskcls.runs.preflight import Preflight
from tests.commands.run_factory import logits_for, write_run
from tests.store.test_uris import WITH_CREDENTIALS
from tests.tasks import MASK

ROOT = str(Path(__file__).parents[2])
SUBMISSION = "ImageID,ans\na.jpg,3\n"


def _maskcls(
    *words: str, module: str = "maskcls", env: dict[str, str] | None = None, **how: object
) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", module, *words]
    if not {"stdout", "stderr"} & set(how):
        how["capture_output"] = True
    return subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": ROOT} | (env or {}),
        timeout=120,
        check=False,
        **how,
    )  # type: ignore[call-overload, no-any-return]


@pytest.fixture
def scored(tmp_path: Path) -> tuple[str, str]:
    """Arguments of score that give a perfect score, under a name that no narrow encoding has."""
    names = (str(tmp_path / "제출.csv"), str(tmp_path / "truth.csv"))
    for name in names:
        Path(name).write_text(SUBMISSION)
    return names


def test_help_is_light() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "maskcls", "--help"],
        env=os.environ | {"PYTHONPATH": ROOT}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "maskcls.cli.main" in loaded
    heavy = {"torch", "ray", "pandas", "timm", "sklearn", "pyarrow", "pydantic", "rich"}
    assert not heavy & {name.partition(".")[0] for name in loaded}


# ---------------------------------------------------------------- streams


def _closed(descriptor: int) -> Callable[[], None]:
    return lambda: os.close(descriptor)


@pytest.mark.parametrize("descriptors", [(1,), (2,), (0,), (0, 1, 2)])
def test_closed_streams_keep_no_command_from_its_work(
    scored: tuple[str, str], descriptors: tuple[int, ...]
) -> None:
    def close() -> None:
        for descriptor in descriptors:
            os.close(descriptor)

    done = _maskcls("score", *scored, preexec_fn=close)
    assert done.returncode == 0, done.stderr
    assert (b"1.0000" in done.stdout) == (1 not in descriptors)
    missing = _maskcls("score", scored[0], "/no/such.csv", preexec_fn=close)
    assert missing.returncode == 2


def test_a_full_or_closed_stdout_is_a_failure_in_a_sentence_at_most(
    scored: tuple[str, str],
) -> None:
    with Path("/dev/full").open("w") as full:
        done = _maskcls("score", *scored, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert line == "maskcls: the result cannot be printed to stdout: No space left on device."
    read, write = os.pipe()
    os.close(read)
    done = _maskcls("score", *scored, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_file_does_not_take_a_closed_streams_place(tmp_path: Path) -> None:
    """Else what is printed would end up in it."""
    program = (
        "from maskcls.cli.streams import open_streams; import os, sys; open_streams();"
        "file = open('out', 'w'); print('printed'); print('complaint', file=sys.stderr);"
        "os.write(2, b'from C'); file.write('content'); file.close()"
    )
    subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=os.environ | {"PYTHONPATH": ROOT},
        preexec_fn=lambda: os.closerange(0, 3), check=True,
    )  # fmt: skip
    assert (tmp_path / "out").read_text() == "content"


@pytest.mark.parametrize("out", ["/dev/stdout", "/dev/fd/1"])
def test_a_submission_on_stdout_is_alone_there(tmp_path: Path, out: str) -> None:
    logits = [logits_for([3, 7], 1.0)] * 2
    write_run(tmp_path / "run", ["a.jpg", "b.jpg"], logits, ["folds.count=2"])
    done = _maskcls("ensemble", "run", "--out", out, cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"ImageID,ans\na.jpg,3\nb.jpg,7\n"
    assert out.encode() in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert not Path(f"{out}.provenance.json").exists()


@pytest.mark.parametrize("encoding", ["ascii", "ascii:strict", "latin-1"])
def test_what_an_encoding_lacks_is_escaped(scored: tuple[str, str], encoding: str) -> None:
    done = _maskcls("score", f"{scored[0]}.no", scored[1], env={"PYTHONIOENCODING": encoding})
    assert done.returncode == 2
    (line,) = done.stderr.decode("ascii").splitlines()
    assert r"\uc81c\ucd9c.csv.no: there is no such file" in line


@pytest.mark.parametrize("module", ["maskcls", "ray_jobs.train"])
def test_a_locale_of_another_encoding_finds_the_same_files(
    module: str, scored: tuple[str, str], drawn: Path, tmp_path: Path
) -> None:
    narrow = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    if module == "maskcls":
        done = _maskcls("score", *scored, env=narrow)
        assert done.returncode == 0, done.stderr
        return
    words = [str(tmp_path / "없음"), "--run", str(tmp_path / "실험1"), "--preset", "smoke"]
    done = _maskcls(*words, module=module, env=narrow, cwd=ROOT)
    assert done.returncode == 2
    assert rb"\uc5c6\uc74c" in done.stderr
    assert b"UnicodeEncodeError" not in done.stderr


def test_a_name_that_is_not_utf_8_is_one_sentence(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xe9"
    done = subprocess.run(
        [sys.executable, "-m", "maskcls", "train", name, "--run", name], capture_output=True,
        env=os.environ | {"PYTHONPATH": ROOT}, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert "is not UTF-8" in line


@pytest.mark.parametrize("words", [[], ["-O"], ["-OO"]])
def test_docstrings_are_there_however_python_was_started(words: list[str]) -> None:
    env = os.environ | {"PYTHONPATH": ROOT} | ({} if words else {"PYTHONOPTIMIZE": "2"})
    command = [sys.executable, *words, "-m", "maskcls", "train", "--help"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    plain = _maskcls("train", "--help")
    assert done.stdout == plain.stdout.decode()


# ---------------------------------------------------------------- the current folder


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder with modules that libraries import by these names, and that end who imports them."""
    here = tmp_path / "here"
    for name in ("timm", "rich"):
        (here / name).mkdir(parents=True)
        (here / name / "__init__.py").write_text("raise SystemExit('wrong package')\n")
    for name in ("random", "ray", "torch", "numpy", "csv", "json", "tempfile", "argparse"):
        (here / f"{name}.py").write_text("raise SystemExit('wrong module')\n")
    return here


@pytest.mark.parametrize("path", [ROOT, f":{ROOT}"])
def test_nothing_is_imported_from_the_current_folder(
    hostile: Path, scored: tuple[str, str], path: str
) -> None:
    done = _maskcls("score", *scored, cwd=hostile, env={"PYTHONPATH": path})
    assert done.returncode == 0, done.stderr


def test_the_preflight_imports_nothing_from_the_current_folder(
    hostile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(hostile)
    config = resolve("smoke", sets=["model.backbone=test_vit"])
    assert to_json(config)["model"]["backbone"] == "test_vit"
    network, _ = Preflight(config, MASK).answer()
    assert network.parameters > 0


def test_a_current_folder_that_was_deleted_is_one_sentence(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = f"rmdir {gone}; exec {sys.executable} -m maskcls train a --run b"
    done = subprocess.run(
        ["sh", "-c", program], cwd=gone, env=os.environ | {"PYTHONPATH": ROOT},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1:] == [
        "maskcls train: the current folder no longer exists; change to one that does."
    ]
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------- before anything starts


@pytest.mark.parametrize("uri", WITH_CREDENTIALS)
@pytest.mark.parametrize(
    "words",
    [
        ["train", "{}", "--run", "run"],
        ["train", "data", "--run={}"],
        ["train", "data", "--run", "run", "--set", "rows.extra={}"],
        ["tune", "data", "--run", "run", "--space", "{}"],
        ["ensemble", "run", "--out", "{}"],
        ["submit", "train", "{}", "--run", "s3://bucket/run"],
        ["status", "{}"],
    ],
)
def test_credentials_are_refused_in_every_argument(
    words: list[str], uri: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main([word.replace("{}", uri) for word in words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "must not hold credentials" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "verb", ["train", "pipeline", "tune", "study", "lr-find", "predict", "demo"]
)
def test_a_ray_that_cannot_be_is_refused_before_anything_is_read(
    verb: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {
        "train": ["data", "--run", "run"], "pipeline": ["data", "--run", "run", "--out", "a.csv"],
        "tune": ["data", "--run", "run", "--space", "space.toml"], "demo": [],
        "study": ["data", "--out", "run", "--change", "loss.name=focal"],
        "lr-find": ["data", "--out", "a"], "predict": ["run", "images", "--out", "a.csv"],
    }[verb]  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    assert main([verb, *words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"maskcls {verb}: RAY_ADDRESS=127.0.0.1:1: no Ray to join")
    assert list(tmp_path.iterdir()) == []
