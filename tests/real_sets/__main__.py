"""Writes a set of real pictures as a data folder.

    python -m tests.real_sets {digits,fashion,emoji} OUT [--source FOLDER]

digits: scikit-learn's 1,797 digits, folders of classes, no groups. fashion: 10,000 images of
Fashion-MNIST, CSV, no groups. emoji: signs of people and hands in all skin tones and genders, CSV with
groups; transparent PNGs. OUT: a new folder. --source: a folder in which packages were unpacked before,
such as / where they are installed; without it fashion and emoji are fetched from Debian (30.9 and 17.9
MB) with apt-get download, which needs no root.
"""

import argparse
import tempfile
from pathlib import Path

from maskcls.demo.digits import write_digits
from tests.real_sets import emoji, fashion
from tests.real_sets.debian import unpack

SETS = {"fashion": fashion, "emoji": emoji}


def main() -> None:
    """Write the set; a folder that exists already is refused."""
    ask = argparse.ArgumentParser(prog="python -m tests.real_sets", description=__doc__)
    ask.formatter_class = argparse.RawDescriptionHelpFormatter
    ask.add_argument("name", choices=["digits", *SETS])
    ask.add_argument("out", type=Path)
    ask.add_argument("--source", type=Path)
    args = ask.parse_args()
    if args.out.exists():
        ask.error(f"{args.out}: is there already; name a new folder")
    if args.name == "digits":
        write_digits(args.out, test_every=0)
    elif args.source:
        SETS[args.name].write(args.source, args.out)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            unpack(SETS[args.name].PACKAGES, Path(scratch))
            SETS[args.name].write(Path(scratch), args.out)
    print(f"{args.out}: {sum(1 for _ in args.out.rglob('*.png')):,} images")


if __name__ == "__main__":
    main()
