"""One check, in a process of its own: python -m tests.gpu.child NAME ASK; started by tests.gpu.checks.

Prints a line of JSON for each figure, as soon as it is known.
"""

import json
import os
import sys
from typing import Any

from tests.gpu.checks import MARK, Ask


def main() -> None:
    """Make the check of the name that was given."""
    name, asked = sys.argv[1], json.loads(sys.argv[2])
    kind, _, case = name.partition("-")
    if kind == "fold":
        from tests.gpu.one_fold import FoldAsk, train

        say(train(FoldAsk(**asked)))
        return
    ask = Ask(**asked)
    if kind == "compile":
        # Before maskcls, which puts a stand-in for the compiler in its place.
        import torch._dynamo  # noqa: F401
    if kind == "facts":
        from tests.gpu.facts import facts

        say(facts())
    elif kind in ("agree", "resume"):
        from tests.gpu import correct

        getattr(correct, kind)(ask, report)
    elif kind in ("start", "two"):
        from tests.gpu import folds

        getattr(folds, kind)(ask, report)
    else:
        from tests.gpu import speed

        getattr(speed, kind)(ask, case, report)


def report(what: str, value: object, unit: str = "", ok: bool = True) -> None:
    """A figure; ok: whether it is as it has to be."""
    say({"what": what, "value": value, "unit": unit} | ({} if ok else {"ok": False}))


def say(content: dict[str, Any]) -> None:
    """A line for the process that started this one."""
    print(MARK + json.dumps(content), flush=True)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    # Now and then torch's threads abort a process that has computed while Python takes itself down
    # ("terminate called without an active exception"), when all has been said.
    os._exit(0)
