"""A bug in a loss: how the command ends, and how many functions lie between argv and backward()."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import maskcls
from tests.end_to_end.job_factory import sets

pytestmark = [pytest.mark.ray, pytest.mark.slow]

MAX_FRAMES = 12
"""Own functions from main(argv) to the one that calls backward(), in driver and worker together."""

# Every Python process of the run imports this. In the worker the loss of the first batch writes down
# its own stack, waits for the driver's, and raises; in the driver a thread writes down the stacks of
# all others when the worker has done so.
SITE = """
import importlib.abc, importlib.util, json, os, pathlib, sys, threading, time, traceback

folder = pathlib.Path(os.environ["STACKS"])

def own(stack):
    return [f"{f.filename}:{f.name}" for f in stack if "/maskcls/" in f.filename]

def write(name, stack):
    (folder / "new").write_text(json.dumps(own(stack)))
    (folder / "new").rename(folder / name)

def raises(self, *arguments):
    write("worker", traceback.extract_stack())
    until = time.monotonic() + 60
    while not (folder / "driver-done").exists() and time.monotonic() < until:
        time.sleep(0.05)
    raise RuntimeError("a bug in the loss")

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "maskcls.models.heads.single":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module
        def patched(module):
            execute(module)
            for found in vars(module).values():
                if isinstance(found, type) and "loss" in vars(found):
                    found.loss = raises
        spec.loader.exec_module = patched
        return spec

def watch():
    while not (folder / "worker").exists():
        time.sleep(0.05)
    frames = sys._current_frames()
    for thread in threading.enumerate():
        write(f"driver-{thread.native_id}", traceback.extract_stack(frames[thread.ident]))
    (folder / "driver-done").touch()

sys.meta_path.insert(0, Finder())
if sys.argv[:1] == ["-c"]:
    threading.Thread(target=watch, daemon=True).start()
"""
MAIN = "import sys; from maskcls.cli.main import main; sys.exit(main(sys.argv[1:]))"


def test_it_is_not_retried_and_lies_few_functions_below_argv(drawn: Path, tmp_path: Path) -> None:
    site, stacks, run = tmp_path / "site", tmp_path / "stacks", tmp_path / "run"
    site.mkdir()
    stacks.mkdir()
    (site / "sitecustomize.py").write_text(SITE)
    places = [str(site), str(Path(maskcls.__path__[0]).parent)]
    environment = os.environ | {"STACKS": str(stacks), "PYTHONPATH": os.pathsep.join(places)}
    words = ["train", str(drawn), "--run", str(run), *sets()]
    ended = subprocess.run(
        [sys.executable, "-c", MAIN, *words],
        capture_output=True, text=True, timeout=280, env=environment, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    assert "fold 0 failed: RuntimeError: a bug in the loss" in ended.stderr
    assert "fold 1 failed: RuntimeError: a bug in the loss" in ended.stderr
    assert "infrastructure failure" not in ended.stderr
    assert json.loads((run / "record.json").read_text())["starts"][0]["exit_code"] == 1

    worker = json.loads((stacks / "worker").read_text())
    assert worker[-1].endswith("training/loop.py:_accumulate")
    threads = [json.loads(path.read_text()) for path in stacks.glob("driver-*[0-9]")]
    (main,) = [stack for stack in threads if any(":main" in frame for frame in stack)]
    fits = [stack for stack in threads if any("fold_queue.py:_fit" in frame for frame in stack)]
    assert fits
    found = [*main, *fits[0], *worker]
    assert len(found) <= MAX_FRAMES, "\n".join(found)
