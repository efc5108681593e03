"""How much longer a whole run takes than its bare steps.

The run: maskcls train, everything included but the start-up of Ray and of the folds' workers, which
is stated apart. The bare steps: the same number of updates (and, apart, of forward passes over
held-out and eval images) of the same model at the same batch size, on pixels in memory, in a plain
torch loop with the same total of threads: one process with all of them, or as many processes as the
run has folds at once; the faster of the two counts.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from maskcls.cluster.worker import ENVIRONMENT
from maskcls.config.resolve import resolve, to_json
from maskcls.core.system import usable_cores
from maskcls.demo.dataset import write_demo_data

_SAMPLE_S = 25.0


def run(data: Path | None, people: int, sets: list[str], runs: int) -> None:
    """Measure and print; the bare steps are timed before and after each run."""
    work = Path(tempfile.mkdtemp(prefix="overhead-"))
    try:
        if data is None:
            data = work / "data"
            write_demo_data(data, people=people, eval_people=people // 4)
        config = resolve("smoke", None, sets)
        rows: list[dict[str, float]] = []
        for number in range(runs):
            before = bare_speed(to_json(config))
            whole = _whole(data, work / f"run-{number}", sets)
            after = bare_speed(to_json(config))
            train = statistics.mean((before["train"], after["train"]))
            forward = statistics.mean((before["forward"], after["forward"]))
            steps_s = whole["updates"] / train
            forward_s = whole["predictions"] / forward
            rows.append(
                {
                    "run_s": whole["run_s"],
                    "startup_s": whole["startup_s"],
                    "steps_s": steps_s,
                    "ratio": whole["run_s"] / (steps_s + forward_s),
                    "ratio_updates_only": whole["run_s"] / steps_s,
                    "images_per_s": train,
                }
            )
            print(
                f"run {number}: " + "  ".join(f"{k} {v:.2f}" for k, v in rows[-1].items()),
                flush=True,
            )
        for name in ("ratio", "ratio_updates_only"):
            values = sorted(r[name] for r in rows)
            middle = statistics.median(values)
            print(f"{name}: median {middle:.3f}, {values[0]:.3f} to {values[-1]:.3f}, n={runs}")
    finally:
        shutil.rmtree(work)


def _whole(data: Path, run_folder: Path, sets: list[str]) -> dict[str, float]:
    words = [w for text in sets for w in ("--set", text)]
    command = [
        sys.executable,
        "-m",
        "maskcls",
        "train",
        str(data),
        "--run",
        str(run_folder),
        "--preset",
        "smoke",
        *words,
    ]
    started = time.monotonic()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        # A cache of its own: each run decodes the images anew.
        env={**os.environ, "MASKCLS_CACHE": str(run_folder.with_name(f"{run_folder.name}-cache"))},
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    whole_s = time.monotonic() - started
    metrics = json.loads((run_folder / "metrics.json").read_text())
    plan = json.loads((run_folder / "record.json").read_text())["plan"]
    folds = metrics["folds"]
    # A starting fold holds its threads' share of the machine, so its start-up costs that share.
    cores = sum(plan["threads"][: plan["folds_at_once"]])
    startup = sum(
        f["time_s"]["start"] * t / cores for f, t in zip(folds, plan["threads"], strict=True)
    )
    driver = metrics["time_s"]["ray_start"]
    epochs = json.loads((run_folder / "config.json").read_text())["train"]["epochs"]
    record = json.loads((run_folder / "record.json").read_text())["data"]
    return {
        "run_s": whole_s - startup - driver,
        "startup_s": startup + driver,
        "updates": epochs * sum(f["images"]["train"] for f in folds),
        "predictions": epochs * sum(f["images"]["held_out"] for f in folds)
        + len(folds) * (record["eval_images"] or 0),
    }


def bare_speed(config: dict[str, Any]) -> dict[str, float]:
    """Images/s of bare updates and bare forward passes; the better of one process and several."""
    cores = usable_cores()
    found = [_bare(config, 1, cores)] + ([_bare(config, cores, 1)] if cores > 1 else [])
    return {kind: max(f[kind] for f in found) for kind in ("train", "forward")}


def _bare(config: dict[str, Any], processes: int, threads: int) -> dict[str, float]:
    environment = {**os.environ, **ENVIRONMENT, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "tests.benchmarks.bare", str(threads), str(_SAMPLE_S)]
    running = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        for _ in range(processes)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write(json.dumps(config))
        process.stdin.close()
    answers = []
    for process in running:
        assert process.stdout is not None
        answers.append(json.loads(process.stdout.read()))
        process.wait()
    return {kind: sum(a[kind] for a in answers) for kind in ("train", "forward")}
