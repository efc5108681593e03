"""How much the driver grows when the data set grows tenfold.

Two data sets of the same few images, hard-linked again and again: PEOPLE and ten times as many, seven
images a person. In a process of its own each: table, fingerprints, folds, the pixel pass on Ray Data
at 16x16, and collecting the out-of-fold table from made-up logits; all but the training, which runs
in other processes. The figure is the driver's peak resident memory.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

from maskcls.core.mask import SHOTS
from maskcls.demo.dataset import write_demo_data
from maskcls.folds import rows as fold_rows

_LINKS = 20_000  # of one file; ext4 allows 65,000


def run(people: int) -> None:
    """Measure both and print the growth per row."""
    work = Path(tempfile.mkdtemp(prefix="memory-"))
    try:
        rows, peaks, pixels = [], [], []
        for factor in (1, 10):
            data = work / f"data-{factor}"
            num_rows = _link(data, work / "source", people * factor)
            answer = _measure(data, work / f"run-{factor}", work / f"cache-{factor}")
            print(
                f"{num_rows:,} rows: driver peak {answer['peak_mib']:.0f} MiB"
                f" ({answer['base_mib']:.0f} before collecting), pixels {answer['pixel_files']} file",
                flush=True,
            )
            rows.append(num_rows)
            peaks.append(answer["peak_mib"])
            pixels.append(answer["pixel_files"])
        grown = peaks[1] - peaks[0]
        more = rows[1] - rows[0]
        print(
            f"growth {grown:.0f} MiB for {more:,} rows = {grown * 2**20 / more:.0f} bytes per row"
        )
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _link(data: Path, source: Path, people: int) -> int:
    if not source.exists():
        write_demo_data(source, people=6, eval_people=1, height=64, width=48, processes=1)
    images = sorted((source / "train/images").iterdir())[0]
    files = {f.stem: f for f in images.iterdir()}
    lines, copies = ["id,gender,race,age,path"], {}
    for number in range(people):
        gender, age = ("male", "female")[number % 2], (25, 45, 65)[number % 3]
        folder = f"{number:06d}_{gender}_Drawn_{age}"
        lines.append(f"{number:06d},{gender},Drawn,{age},{folder}")
        target = data / "train/images" / folder
        target.mkdir(parents=True)
        for shot in SHOTS:
            part = (shot, number // _LINKS)
            if part not in copies:
                copies[part] = data / f".{shot}-{part[1]}{files[shot].suffix}"
                shutil.copyfile(files[shot], copies[part])
            (target / f"{shot}{files[shot].suffix}").hardlink_to(copies[part])
    (data / "train/train.csv").write_text("\n".join(lines) + "\n")
    return people * len(SHOTS)


def _measure(data: Path, run_folder: Path, cache: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.memory", str(data), str(run_folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MASKCLS_CACHE": str(cache)},
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _drive(data: str, run_folder: str) -> None:
    import resource

    from maskcls.cli.progress import make_progress
    from maskcls.cluster.fold_queue import FoldQueue
    from maskcls.commands.train import train
    from maskcls.config.resolve import resolve
    from maskcls.core.outcome import Outcome
    from maskcls.store.places import cache_root

    base: list[float] = []

    def made_up(queue: FoldQueue) -> dict[int, Outcome]:  # instead of training
        base.append(_peak_mib(resource))
        words = [sys.executable, "-m", "tests.benchmarks.memory", "--folds", run_folder]
        subprocess.run([*words, str(len(queue._jobs))], check=True)
        return dict.fromkeys(queue._jobs, Outcome("done"))

    sets = ["image.size=16x16", "cluster.dashboard=false", "model.backbone=test_resnet"]
    config = resolve("smoke", None, sets)
    with make_progress() as progress, mock.patch.object(FoldQueue, "run", made_up):
        train(data, run_folder, config, progress)
    files = len(list((cache_root("auto") / "pixels").glob("*/pixels.u8")))
    print(json.dumps({"peak_mib": _peak_mib(resource), "base_mib": base[0], "pixel_files": files}))


def _make_up_folds(location: str, count: int) -> None:
    """What the folds' workers would leave."""
    import numpy as np

    from maskcls.store.run import Run
    from tests.commands.run_factory import result_of

    run = Run.at(location)
    for fold in range(count):
        rows = fold_rows.read_fold_rows(run.folder, fold, count, set()).held_out
        logits = np.random.default_rng(fold).normal(size=(len(rows), 18)).astype(np.float32)
        run.fold(fold).write_held_out(1, rows, logits)
        run.fold(fold).write_result(result_of(fold, f"{fold:064x}"))


def _peak_mib(resource: object) -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)  # type: ignore[attr-defined]
    return float(usage.ru_maxrss) / 1024


if __name__ == "__main__":
    if sys.argv[1] == "--folds":
        _make_up_folds(sys.argv[2], int(sys.argv[3]))
    else:
        _drive(*sys.argv[1:])
