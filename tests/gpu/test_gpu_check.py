"""python -m tests.gpu: its parts, and all of it that a CPU can do, on tiny networks."""

import json
from pathlib import Path

import pytest

from tests.gpu.__main__ import main
from tests.gpu.cases import REAL
from tests.gpu.checks import MARK, Ask, names_of, run_all, run_one
from tests.gpu.record import Record, as_markdown, read
from tests.gpu.trace import kernel_times, union

ASK = Ask("cpu", True, "", 0.1)


def _record(tmp_path: Path) -> Record:
    return Record(tmp_path / "gpu.json", "cpu", tiny=True)


def test_overlapping_kernels_count_once() -> None:
    assert union([(0.0, 2.0), (1.0, 3.0), (1.5, 1.75), (5.0, 6.0)]) == 4.0
    assert union([]) == 0.0


def test_only_kernels_of_a_trace_are_work() -> None:
    events = [
        {"ph": "X", "cat": "kernel", "ts": 10, "dur": 5},
        {"ph": "X", "cat": "gpu_memcpy", "ts": 20, "dur": 5},
        {"ph": "X", "cat": "cuda_runtime", "ts": 0, "dur": 90},
        {"ph": "s", "cat": "ac2g", "ts": 1},
        {"ph": "M", "name": "process_name"},
    ]
    assert kernel_times({"traceEvents": events}) == [(10.0, 15.0)]


def test_a_check_that_hangs_is_ended_and_what_it_said_is_kept(tmp_path: Path) -> None:
    record = _record(tmp_path)
    figure = json.dumps({"what": "speed", "value": 2.5, "unit": "images/s"})
    text = f"import time; print({MARK + figure!r}, flush=True); time.sleep(600)"

    run_one("speed-b0", ASK, record, 2.0, ("-c", text))

    found = read(tmp_path / "gpu.json")
    assert found["figures"] == [
        {"check": "speed-b0", "what": "speed", "value": 2.5, "unit": "images/s"}
    ]
    assert found["faults"] == {"speed-b0": "ended after its 2 s"}
    assert not record.is_good()


def test_a_check_that_fails_says_why_and_the_next_begins(tmp_path: Path) -> None:
    record = _record(tmp_path)
    run_one("agree", ASK, record, 30.0, ("-c", "raise RuntimeError('no GPU\\nat all')"))
    run_one("two", ASK, record, 30.0, ("-c", "import os; os.kill(os.getpid(), 9)"))

    assert read(tmp_path / "gpu.json")["faults"] == {"agree": "at all", "two": "ended with -9"}


def test_what_a_cpu_cannot_do_and_what_has_no_time_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.gpu.checks.CHILD", ("-c", ""))
    record = _record(tmp_path)
    run_all(["copies", "agree"], ASK, record, 1.0)

    left_out = {"copies": "needs a GPU", "agree": "no time was left"}
    assert read(tmp_path / "gpu.json")["left_out"] == left_out


def test_wrong_numbers_show_in_the_table_and_the_exit_code(tmp_path: Path) -> None:
    record = _record(tmp_path)
    record.add("agree", {"what": "logits", "value": 0.25, "ok": False})
    record.add("speed-b0", {"what": "bare steps", "value": 1234.5, "unit": "images/s"})

    assert not record.is_good()
    table = as_markdown(read(tmp_path / "gpu.json"))
    assert "| agree | logits | 0.25 WRONG |" in table
    assert "| speed-b0 | bare steps | 1,234 images/s |" in table


def test_correctness_comes_before_speed_and_speed_before_experiments() -> None:
    names = names_of(REAL)
    assert names[:3] == ["agree", "resume", "speed-b0"]
    assert names[-1] == "compile-resnext50"


def test_an_unknown_check_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "gpu.json")
    assert main(["--device", "cpu", "--only", "fast", "--out", out]) == 2
    assert "--only fast: not one of agree, resume" in capsys.readouterr().err


@pytest.mark.slow
def test_tiny_checks_run_on_the_cpu(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    only = "agree,resume,speed-mobile,start,copies"
    words = ["--device", "cpu", "--tiny", "--seconds", "0.1", "--only", only, "--out", str(out)]
    assert main([*words, "--work", str(tmp_path)]) == 0

    found = read(out)
    figures = {(f["check"], f["what"]): f["value"] for f in found["figures"]}
    assert figures["agree", "logits of a fold trained on each"] == 0
    assert "epoch-0001-step-000001" in figures["resume", "what it resumed from"]
    assert figures["resume", "bit-identical"] is True
    assert figures["speed-mobile", "our loop on decoded pixels"] > 0
    assert figures["start", "process start to first step"] > 0
    assert found["machine"]["torch"]
    assert found["left_out"] == {"copies": "needs a GPU"}
    assert [p for p in tmp_path.iterdir() if p.is_dir()] == []  # what was made is removed
