"""One simulation at one size, in a process of its own: python -m ... NAME SIZE SECONDS FOLDER."""

import importlib
import json
import sys
from pathlib import Path


def main() -> None:
    """Measure, and print the result as the last line."""
    name, size, seconds, folder = sys.argv[1:]
    # Only the one: what the others import would count as its memory.
    simulation = importlib.import_module(f"tests.benchmarks.scaling.{name}")
    print(json.dumps(simulation.measure(int(size), float(seconds), Path(folder))))


if __name__ == "__main__":
    main()
