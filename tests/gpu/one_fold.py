"""One fold in a process of its own, and when its parts happened; it may kill itself on the way."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.gpu.checks import MARK, ROOT, environment, reason


@dataclass(frozen=True)
class FoldAsk:
    """Which fold of which run: case "" is the tiny run in float32; root: folder of runs and pixels.

    at_once: how many share the cores. stop_at: (epoch, step) after which the process kills itself,
    both counted as a Watcher counts them.
    """

    root: str
    name: str
    case: str
    tiny: bool
    device: str
    fold: int = 0
    at_once: int = 1
    stop_at: tuple[int, int] | None = None


def start(ask: FoldAsk) -> "Started":
    """Start the process."""
    began = time.time()
    words = [
        sys.executable,
        "-X",
        "faulthandler",
        "-m",
        "tests.gpu.child",
        "fold",
        json.dumps(asdict(ask)),
    ]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env=environment(),
    )  # fmt: skip
    return Started(process, began)


@dataclass(frozen=True)
class Started:
    """A fold's process; began: when it was started [s since 1970]."""

    process: subprocess.Popen[str]
    began: float

    def result(self) -> dict[str, Any]:
        """What it says at its end; {} when it was killed, RuntimeError when it failed."""
        out, errors = self.process.communicate()
        if self.process.returncode == -signal.SIGKILL:
            return {}
        lines = [line for line in out.splitlines() if line.startswith(MARK)]
        if self.process.returncode or not lines:
            print(errors, file=sys.stderr)
            raise RuntimeError(f"a fold ended with {self.process.returncode}: {reason(errors)}")
        said: dict[str, Any] = json.loads(lines[-1].removeprefix(MARK))
        return said


def train(ask: FoldAsk) -> dict[str, Any]:
    """In the process: train, and say when what happened."""
    from dataclasses import replace

    import torch

    from tests.gpu import work
    from tests.gpu.cases import case_of

    imported, root = time.time(), Path(ask.root)
    tiny = None
    if ask.case:
        case = case_of(ask.tiny, ask.case)
        job = work.open_run(root, ask.name, case, ask.device)
        job = replace(job, threads=work.threads(case, ask.at_once))
    else:
        exact_float32()
        tiny = work.tiny_run(root / ask.name, ask.device)
        job = tiny.job
    stop_at = None if ask.stop_at is None else (ask.stop_at[0], ask.stop_at[1])
    clock = work.Clock(stop_at)
    done = work.train_fold(replace(job, fold=ask.fold), clock)
    peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return {
        "imported": imported,
        "first_step": clock.first_step,
        "ended": time.time(),
        "epoch_ends_s": clock.epoch_ends_s,
        "history": [asdict(entry) for entry in clock.history],
        "said": clock.said,
        "time_s": done.time_s,
        "device": done.device,
        "peak_bytes": peak,
        # float32 as Python's floats and back is exact.
        "logits": [] if tiny is None else [x.tolist() for x in work.logits_of_run(tiny)],
    }


def exact_float32() -> None:
    """Convolutions and products in whole float32 on a GPU, not in TF32."""
    import torch

    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
