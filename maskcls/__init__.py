"""Trains k-fold image classifiers on Ray, from a folder of images to an ensemble submission.

The names in __all__ are the Python interface (interface.py, docs/python.md); all others are private.
Each is imported when it is first used: workers and the command line import this package too, and
must not pay for pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maskcls.core.errors import RunFailed as RunFailed
    from maskcls.core.errors import UserError as UserError
    from maskcls.interface import check as check
    from maskcls.interface import compare as compare
    from maskcls.interface import ensemble as ensemble
    from maskcls.interface import list_runs as list_runs
    from maskcls.interface import open_run as open_run
    from maskcls.interface import predict as predict
    from maskcls.interface import study as study
    from maskcls.interface import train as train

_HOMES = {
    "RunFailed": "maskcls.core.errors",
    "UserError": "maskcls.core.errors",
    "check": "maskcls.interface",
    "compare": "maskcls.interface",
    "ensemble": "maskcls.interface",
    "list_runs": "maskcls.interface",
    "open_run": "maskcls.interface",
    "predict": "maskcls.interface",
    "study": "maskcls.interface",
    "train": "maskcls.interface",
}
__all__ = [
    "RunFailed", "UserError", "check", "compare", "ensemble", "list_runs", "open_run", "predict",
    "study", "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'maskcls' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
