"""What is sent: the job's words, its places, and the uploaded source."""

import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskcls.cli.main import main
from maskcls.cli.verbs.submit import _places
from maskcls.commands.submit import Argument, checked_id, entrypoint, hints, new_id, source
from maskcls.commands.submit.source import refuse_left_behind, refuse_relative
from maskcls.core.errors import Exit, UserError
from tests.commands.submit.dashboards import LOCAL

PROJECT = '[project]\nname = "maskcls"\n'


def test_a_new_id_can_be_read_and_is_another_each_time() -> None:
    found = {new_id("train") for _ in range(20)}
    assert len(found) > 15
    for text in found:
        assert checked_id(text) == text
        assert text.startswith("train-2")


@pytest.mark.parametrize("text", ["", "a b", "../x", "-x", "a/b", "a?b", "ä", "x" * 101, "a\n"])
def test_an_id_that_is_no_part_of_a_url_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^--id "):
        checked_id(text)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))))
def test_the_arguments_reach_the_job_unchanged(words: list[str]) -> None:
    line = entrypoint("train", words)
    assert shlex.split(line) == ["python", "-m", "ray_jobs.train", *words]


@pytest.mark.parametrize(
    ("job", "line", "places"),
    [
        ("train", "s3://b/d --preset report --run=s3://b/r --config c.toml --set optim.lr=1",
         [("DATA", "s3://b/d"), ("--run", "s3://b/r"), ("--config", "c.toml")]),
        ("ensemble", "/r/1 /r/2 --weights 1:2 --out /o.csv",
         [("RUN", "/r/1"), ("RUN", "/r/2"), ("--out", "/o.csv")]),
        ("predict", "--set cluster.gpus=0 /run /images --out /o.csv",
         [("RUN", "/run"), ("IMAGES", "/images"), ("--out", "/o.csv")]),
    ],
)  # fmt: skip
def test_the_jobs_own_parser_tells_which_arguments_are_places(
    job: str, line: str, places: list[tuple[str, str]]
) -> None:
    assert _places(job, shlex.split(line)) == places


@pytest.mark.parametrize("line", ["", "s3://b/d", "s3://b/d --run s3://b/r --fetch here"])
def test_what_the_job_would_not_understand_ends_here(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["submit", "train", *shlex.split(line)])
    assert stop.value.code == Exit.MISTAKE
    assert "maskcls submit train: error:" in capsys.readouterr().err


def test_help_of_submit_and_of_its_job(capsys: pytest.CaptureFixture[str]) -> None:
    for words, reported in ((["--help"], "--no-wait"), (["train", "--help"], "--run RUN")):
        with pytest.raises(SystemExit) as stop:
            main(["submit", *words])
        assert stop.value.code == 0
        assert reported in capsys.readouterr().out


@pytest.mark.parametrize("name", ["DATA", "RUN", "--run", "--out"])
def test_a_relative_location_is_refused_by_its_name(name: str) -> None:
    for value in ("data", "./data", "../data", "s3:/bucket/data"):
        with pytest.raises(UserError, match=f"^{name} .*a relative path"):
            refuse_relative([Argument("DATA", "s3://b/d"), Argument(name, value)])
    for value in ("/data", "s3://b/data", "gs://b/data", "file:///data", "~/data"):
        refuse_relative([Argument(name, value)])


def test_an_uploaded_file_may_be_named_by_a_relative_path() -> None:
    names = {"mine.toml", "sub/mine.toml"}
    for value in (
        "mine.toml",
        "./mine.toml",
        "sub/../sub/mine.toml",
        "/nfs/x.toml",
        "s3://b/x.toml",
    ):
        refuse_relative([Argument("--config", value)])
        refuse_left_behind([Argument("--config", value)], names)
    for value in ("ignored.toml", "../mine.toml", "sub"):
        with pytest.raises(UserError, match=r"^--space .*is not uploaded"):
            refuse_left_behind([Argument("--space", value)], names)
    with pytest.raises(UserError, match="is not uploaded"):
        refuse_left_behind([Argument("--config", "mine.toml")], ())


def test_a_checkout_is_known_by_its_project_and_jobs(tmp_path: Path) -> None:
    assert source.is_checkout(Path(__file__).parents[3])
    assert not source.is_checkout(tmp_path)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    assert not source.is_checkout(tmp_path)
    (tmp_path / "ray_jobs").mkdir()
    assert source.is_checkout(tmp_path)
    for other in ("[project]\nname = 'other'\n", "[tool]\n", "project = 1\n", "no toml"):
        (tmp_path / "pyproject.toml").write_text(other)
        assert not source.is_checkout(tmp_path)


def test_a_checkout_travels_as_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "ray_jobs").mkdir()
    monkeypatch.chdir(tmp_path)
    with source.source() as (folder, is_checkout):
        assert (folder, is_checkout) == (tmp_path, True)


def test_elsewhere_the_installed_packages_travel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "image.jpg").write_bytes(b"stays here")
    monkeypatch.chdir(tmp_path)
    with source.source() as (folder, is_checkout):
        assert not is_checkout
        assert sorted(path.name for path in folder.iterdir()) == ["maskcls", "ray_jobs"]
        assert (folder / "ray_jobs" / "train.py").is_file()
        assert (folder / "maskcls" / "config" / "presets" / "report.toml").is_file()
        assert not list(folder.rglob("__pycache__"))
    assert not folder.exists()


def test_what_gitignore_names_does_not_travel(tmp_path: Path) -> None:
    for name, text in {
        ".gitignore": "/data/\n*.safetensors\n",
        "maskcls/a.py": "12345",
        "maskcls/__pycache__/a.pyc": "x",
        "data/image.jpg": "x",
        "maskcls/data/kept.csv": "x",
        "big.safetensors": "x",
        ".git/HEAD": "x",
        ".venv/bin/python": "x",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    files = source.uploaded_files(tmp_path)
    assert set(files) == {".gitignore", "maskcls/a.py", "maskcls/data/kept.csv"}
    assert files["maskcls/a.py"] == 5


def test_data_among_the_source_is_noticed() -> None:
    source.refuse_large({"maskcls/a.py": source.LARGEST_SOURCE})
    files = {"maskcls/a.py": 10, "images/1.jpg": 30 * 2**20, "images/2.jpg": 30 * 2**20}
    with pytest.raises(UserError, match=r"60.0 MiB .* most of it images \(60.0 MiB\)"):
        source.refuse_large(files)


def test_the_hints_are_commands_whose_variables_win() -> None:
    follow, stop = hints(LOCAL, "token", "train-1")
    assert shlex.split(follow)[:2] == ["RAY_AUTH_MODE=token", f"RAY_API_SERVER_ADDRESS={LOCAL.url}"]
    assert shlex.split(follow)[2:] == ["ray", "job", "logs", "-f", "train-1"]
    assert shlex.split(stop)[2:] == ["ray", "job", "stop", "train-1"]


def test_the_source_of_this_project_is_small() -> None:
    found = source.uploaded_files(Path(__file__).parents[3])
    assert "maskcls/cli/main.py" in found
    assert sum(found.values()) < 20 * 2**20
