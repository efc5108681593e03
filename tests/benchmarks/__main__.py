"""python -m tests.benchmarks overhead|memory|folds|scaling [options]; prints figures and machine."""

import argparse
import os
import platform
import sys
from pathlib import Path

from tests.benchmarks import evenness, memory, overhead
from tests.benchmarks.scaling import NAMES


def main() -> int:
    ask = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    names = ask.add_subparsers(dest="name", required=True)
    one = names.add_parser("overhead", help="whole run / bare steps")
    one.add_argument("--data", type=Path, help="competition layout (default: drawn people)")
    one.add_argument("--people", type=int, default=200, help="drawn people, without --data")
    one.add_argument("--set", dest="sets", action="append", default=[], help="as maskcls train")
    one.add_argument("--runs", type=int, default=3)
    two = names.add_parser("memory", help="growth of the driver with ten times the rows")
    two.add_argument("--people", type=int, default=2557, help="of the small data set")
    folds = names.add_parser(
        "folds", help="how even folds of groups are, and how fast they are drawn"
    )
    folds.add_argument("--seeds", type=int, default=5, help="data sets of each shape")
    folds.add_argument("--groups", type=int, default=200_000, help="of five images, for the speed")
    three = names.add_parser("scaling", help="simulations behind docs/scaling.md")
    three.add_argument("--only", type=_names, default=list(NAMES), help="A,B,...")
    three.add_argument("--minutes", type=float, default=10.0, help="for all of them together")
    three.add_argument("--out", type=Path, default=Path("docs/scaling.jsonl"), help="appended to")
    args = ask.parse_args()
    print(
        f"machine: {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    )
    if args.name == "overhead":
        overhead.run(args.data, args.people, args.sets, args.runs)
    elif args.name == "memory":
        memory.run(args.people)
    elif args.name == "folds":
        evenness.run(args.seeds)
        for classes in (10, 200):
            evenness.speed(args.groups, 5, classes)
    else:
        # Only now: it imports more than the others need.
        from tests.benchmarks.scaling.run import run

        return 0 if run(args.only, args.minutes, args.out) else 1
    return 0


def _names(text: str) -> list[str]:
    """Simulations, in the order given; the parser shows what is wrong."""
    names = text.split(",")
    if unknown := sorted(set(names) - set(NAMES)):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(NAMES)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
