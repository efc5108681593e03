"""Imports timm and torch's optimizers without torch's compiler and sharded tensors, unused here.

torch's compiler costs 4.5 s of CPU and 140 MB of memory to import, of the 10 s that a fold's worker
needs to start (torch 2.15, torchvision 0.29, timm 1.0; medians of three), and comes along for trifles:
torchvision asks it whether a device could compile; timm and the optimizers mark functions as not to be
compiled, and steps as breaks in what is compiled; one of timm's optimizers raises the size of its cache.
So those are answered here, and whoever asks it for anything else, such as torch.compile or
torch.utils.checkpoint, gets the real one. Sharded tensors (torch.distributed.tensor) come along for
another of timm's optimizers, which does without them where they are missing.
"""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_NAME = "torch._dynamo"


class _StandIn(ModuleType):
    """A module that turns into the real one when it is asked for what it does not have."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system's own questions
            raise AttributeError(name)
        return getattr(_real(self.__name__), name)


class _Settings:
    """Keeps what is set, for the real one, which answers whatever is asked."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_real(_NAME).config, name)

    def __setattr__(self, name: str, value: Any) -> None:
        # Whoever imported the config before the real one came still holds this object.
        if isinstance(sys.modules.get(_NAME), _StandIn):
            vars(self)[name] = value
        else:
            setattr(_real(_NAME).config, name, value)


class _Finder(MetaPathFinder):
    """Brings the real one when another of its modules is imported."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if not name.startswith(f"{_NAME}.") or not isinstance(sys.modules.get(_NAME), _StandIn):
            return None
        return ModuleSpec(name, _Given(_real(name)))


class _Given(Loader):
    """Loads a module that is there already."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        """It has been run."""


def install() -> None:
    """Put the stand-ins in place, unless the compiler has been imported already."""
    if _NAME in sys.modules:
        return
    whole, utils = _StandIn(_NAME), _StandIn(f"{_NAME}.utils")
    whole.disable = _disable  # type: ignore[attr-defined]
    whole.graph_break = _nothing  # type: ignore[attr-defined]
    utils.is_compile_supported = _is_compile_supported  # type: ignore[attr-defined]
    whole.utils = utils  # type: ignore[attr-defined]
    whole.config = _Settings()  # type: ignore[attr-defined]
    whole.__path__ = []  # a package, for the finder to be asked about what is in it
    sys.meta_path.insert(0, _Finder())
    sys.modules |= {_NAME: whole, utils.__name__: utils}


@contextmanager
def hidden(name: str) -> Iterator[None]:
    """Importing a module fails with ImportError meanwhile, unless it has been imported already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # how Python spells it
    try:
        yield
    finally:
        del sys.modules[name]


def _real(name: str) -> ModuleType:
    """The real module of a name; the stand-ins are gone after that."""
    old = sys.modules.get(_NAME)
    for module in (_NAME, f"{_NAME}.utils"):
        if isinstance(sys.modules.get(module), _StandIn):
            del sys.modules[module]
    real = importlib.import_module(_NAME)
    vars(importlib.import_module("torch"))["_dynamo"] = real
    if isinstance(old, _StandIn):
        kept = vars(old.config)
        for setting, value in kept.items():
            setattr(real.config, setting, value)
        kept.clear()  # from here on the real one alone knows them
    return importlib.import_module(name)


def _disable(
    fn: Callable[..., Any] | None = None, recursive: bool = True, **options: Any
) -> Callable[..., Any]:
    """What is never compiled needs no mark."""
    return partial(_disable, recursive=recursive) if fn is None else fn


def _nothing(*args: object, **options: object) -> None:
    """Where nothing is compiled there is nothing to break."""


def _is_compile_supported(device: object) -> bool:
    return False
