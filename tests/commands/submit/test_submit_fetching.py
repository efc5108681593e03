"""What is fetched when a job is done."""

from pathlib import Path

import pytest

from maskcls.commands.submit import Argument
from maskcls.commands.submit.following import SEARCH_FILES, fetch
from maskcls.store.folder import Folder


def write(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(name)
    return folder


def test_a_runs_files_are_fetched_and_those_it_lacks_are_not_missed(tmp_path: Path) -> None:
    run = write(tmp_path / "run", "metrics.json", "config.json", "oof.parquet", "other")
    places = [Argument("DATA", "/data"), Argument("--run", str(run))]
    fetched, missing = fetch("train", places, Folder.at(tmp_path / "here"))
    assert fetched == ["metrics.json", "config.json", "oof.parquet"]
    assert missing == []
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == sorted(fetched)
    assert (tmp_path / "here" / "oof.parquet").read_text() == "oof.parquet"


@pytest.mark.parametrize("job", ["ensemble", "predict"])
def test_a_file_is_fetched_with_its_provenance(tmp_path: Path, job: str) -> None:
    there = write(tmp_path / "there", "o.csv", "o.csv.provenance.json")
    places = [Argument("RUN", "/run"), Argument("--out", str(there / "o.csv"))]
    fetched, missing = fetch(job, places, Folder.at(tmp_path / "here"))
    assert (fetched, missing) == (["o.csv", "o.csv.provenance.json"], [])


def test_a_pipeline_has_both_and_what_cannot_be_seen_is_named(tmp_path: Path) -> None:
    there = write(tmp_path / "there", "o.csv")
    places = [
        Argument("DATA", "/data"),
        Argument("--run", str(tmp_path / "elsewhere")),
        Argument("--out", str(there / "o.csv")),
    ]
    fetched, missing = fetch("pipeline", places, Folder.at(tmp_path / "here"))
    assert fetched == ["o.csv"]
    assert len(missing) == 1
    assert "elsewhere/metrics.json: not reachable from this machine" in missing[0]


def test_a_search_leaves_its_tables(tmp_path: Path) -> None:
    run = write(tmp_path / "run", *SEARCH_FILES, "folds.parquet")
    places = [Argument("--run", str(run)), Argument("--space", "space.toml")]
    fetched, missing = fetch("tune", places, Folder.at(tmp_path / "here"))
    assert (fetched, missing) == (list(SEARCH_FILES), [])


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    run = write(tmp_path / "run", "metrics.json")
    here = write(tmp_path / "here")
    (here / "metrics.json").write_text("mine")
    places = [Argument("--run", str(run))]
    fetched, missing = fetch("train", places, Folder.at(here))
    assert fetched == []
    assert "already exists" in missing[0]
    assert (here / "metrics.json").read_text() == "mine"
