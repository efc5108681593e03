"""python -m tests.benchmarks overhead|memory [options]; each prints its figures and the machine."""

import argparse
import os
import platform
import sys
from pathlib import Path

from tests.benchmarks import memory, overhead


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
    args = ask.parse_args()
    print(
        f"machine: {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    )
    if args.name == "overhead":
        overhead.run(args.data, args.people, args.sets, args.runs)
    else:
        memory.run(args.people)
    return 0


if __name__ == "__main__":
    sys.exit(main())
