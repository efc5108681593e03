"""`maskcls submitted`: what came back, against the forecast if there is one."""

import json
from pathlib import Path
from typing import Any

import pytest

from maskcls.cli.main import main
from maskcls.cli.verbs.submitted import VERB
from maskcls.commands.submitted import submitted
from maskcls.core.errors import Exit, UserError


def _submission(at: Path, forecast: dict[str, Any] | None = None) -> str:
    values = {"runs": [], **({"forecast": forecast} if forecast else {})}
    (at / "s.csv.provenance.json").write_text(json.dumps(values))
    return str(at / "s.csv")


FORECAST = {"metric": "macro_f1", "value": 0.6, "interval": [0.5, 0.7]}


@pytest.mark.parametrize(
    ("options", "forecast", "end"),
    [
        (["--public", ".65"], None, "public 0.6500\n"),
        (["--public", ".65"], {**FORECAST, "interval": None}, "forecast 0.6000\n"),
        (["--public", ".65"], FORECAST, "forecast 0.6000 [0.5000, 0.7000]: as forecast\n"),
        (["--public", ".71"], FORECAST, ": above\n"),
        (["--public", ".65", "--private", ".4"], FORECAST, ": public as forecast, private below\n"),
        (["--private", ".5"], FORECAST, ": as forecast\n"),
    ],
)  # fmt: skip
def test_what_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
    options: list[str], forecast: dict[str, Any] | None, end: str,
):  # fmt: skip
    assert main([VERB.name, _submission(tmp_path, forecast), *options]) == 0
    assert capsys.readouterr().out.endswith(end)


def test_a_private_score_alone(tmp_path: Path):
    (found,) = submitted(_submission(tmp_path), None, 0.5).submitted
    assert (found.public, found.private) == (None, 0.5)


def test_a_private_score_that_comes_later_leaves_the_public_one_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = _submission(tmp_path, FORECAST)
    assert main([VERB.name, file, "--public", ".65"]) == 0
    assert main([VERB.name, file, "--private", ".75"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert "public 0.6500, private 0.7500; forecast 0.6000" in last
    assert last.endswith(": public as forecast, private above")


@pytest.mark.parametrize("values", [(None, None), (float("nan"), 0.5), (0.5, float("inf"))])
def test_no_number_is_refused_and_nothing_written(
    tmp_path: Path, values: tuple[float | None, float | None]
):
    file = _submission(tmp_path)
    with pytest.raises(UserError, match="as a number"):
        submitted(file, *values)
    assert json.loads((tmp_path / "s.csv.provenance.json").read_text()) == {"runs": []}
    assert main(["submitted", file]) == Exit.MISTAKE
