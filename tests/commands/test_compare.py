"""`maskcls compare`: what it prints, what it writes, and what it refuses before any work."""

import json
from pathlib import Path

import pytest

from maskcls.cli.main import main
from maskcls.cli.verbs.compare import VERB
from maskcls.commands.compare import compare
from maskcls.core.errors import Exit, UserError
from tests.evaluation.oof_factory import write_held_out
from tests.statistics.made_up_runs import made_up_sides


def _three(at: Path) -> list[str]:
    (a,), (b,) = made_up_sides(0, 40, (0, 1))
    for name, rows, sets in (("a", a, []), ("b", b, ["optim.lr=0.5"]), ("c", b, ["optim.lr=0.25"])):
        write_held_out(at / name, rows, sets)
    return [str(at / name) for name in "abc"]


def test_all_pairs_are_returned_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    runs, out = _three(tmp_path), tmp_path / "out.json"
    assert main([VERB.name, *runs, "--json", str(out)]) == 0
    screen = capsys.readouterr().out
    pairs = json.loads(out.read_text())["pairs"]
    names = [(Path(pair["a"]).name, Path(pair["b"]).name) for pair in pairs]
    assert names == [("a", "b"), ("a", "c"), ("b", "c")]
    assert all(pair["verdict"] in screen for pair in pairs)
    assert [pair.to_json() for pair in compare(runs)] == pairs


def test_one_run_is_nothing_to_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(UserError, match="two runs or more"):
        compare([str(tmp_path)])
    assert main(["compare", str(tmp_path)]) == Exit.MISTAKE
    assert "two runs or more" in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path):
    a, b, _ = _three(tmp_path)
    with pytest.raises(UserError, match="none"):
        compare([a, str(tmp_path / "none")])
    (tmp_path / "b" / "oof.parquet").unlink()
    with pytest.raises(UserError, match="not all of its folds are done"):
        compare([a, b])


def test_a_file_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path):
    # Neither is a run, which is looked at afterwards.
    with pytest.raises(UserError, match=str(tmp_path)):
        compare([str(tmp_path / "no"), str(tmp_path / "run")], str(tmp_path))
