"""What one GPU does with this project: correctness first, then figures; writes JSON as it goes.

    python -m tests.gpu [--device cuda|cpu] [--tiny] [--only NAME,...] [--minutes 8] [--out gpu.json]
    python -m tests.gpu --table gpu.json

Needs no network and no Ray. Each check is a process of its own with a time limit: one that fails or
hangs is recorded with its reason, and the next begins. What has been measured so far is always in the
file. Checks come in the order of their value; what does not fit into the minutes is left out and named.

    agree          one tiny fold in float32 on CPU and GPU: their logits agree
    resume         a tiny fold is killed between two updates; resumed, it ends like one that was not
    speed-NET      images/s of bare steps and of our loop on decoded pixels; the GPU's idle share
    start          seconds from process start to the first step, and at an epoch's end
    two            two folds on the GPU at once
    copies         gathering, pinning and copying a batch
    graphs-NET     bare steps as one CUDA graph
    compile-NET    bare steps with torch.compile

NET: b0 and b3 (EfficientNet, 384x384), resnext50 (512x384); batches of 64, bfloat16, channels_last.
--tiny takes tiny networks and images, for a CPU. --table prints a finished file as Markdown.
Exits with 1 when a check failed or a GPU gave other numbers than the CPU, with 2 for a bad argument.
"""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.gpu.cases import cases_of
from tests.gpu.checks import Ask, names_of, run_all
from tests.gpu.record import Record, as_markdown, as_text, read


def main(words: list[str] | None = None) -> int:
    """Run the checks or print a table; the exit code."""
    args = _parser().parse_args(words)
    if args.table is not None:
        print(as_markdown(read(args.table)))
        return 0
    device = args.device or _device_here()
    known = names_of(cases_of(args.tiny))
    chosen = [name for name in known if not args.only or _is_chosen(name, args.only.split(","))]
    if not chosen:
        print(f"--only {args.only}: not one of {', '.join(known)}.", file=sys.stderr)
        return 2
    record = Record(args.out, device, args.tiny)
    with tempfile.TemporaryDirectory(prefix="maskcls-gpu-", dir=args.work) as work:
        run_all(chosen, Ask(device, args.tiny, work, args.seconds), record, args.minutes * 60)
    print("\n" + as_text(record.content))
    return 0 if record.is_good() else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), help="default: cuda where it is there")
    parser.add_argument("--tiny", action="store_true", help="tiny networks and images")
    parser.add_argument("--only", default="", metavar="NAME,...", help="such as agree,speed-b0")
    parser.add_argument("--minutes", type=float, default=8.0, help="for everything (default: 8)")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each speed (default: 5)")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), help="default: gpu.json")
    parser.add_argument("--work", type=Path, help="where the temporary folder goes")
    parser.add_argument("--table", type=Path, metavar="JSON", help="print a finished file")
    return parser


def _is_chosen(name: str, asked: list[str]) -> bool:
    """A whole name, or what comes before its network's: speed is speed-b0, speed-b3, ..."""
    return name in asked or name.partition("-")[0] in asked


def _device_here() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    # So that the running check is ended, too, and the temporary folder is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
