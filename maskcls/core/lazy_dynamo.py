"""Imports timm and torch's optimizers without torch's compiler and sharded tensors, unused here.

torch's compiler costs 4.5 s of CPU and 140 MB of memory to import, of the 10 s that a fold's worker
needs to start (torch 2.15, torchvision 0.29, timm 1.0; medians of three), and is imported for little:
torchvision asks it whether a device could compile; timm and the optimizers mark functions as not to be
compiled and steps as graph breaks; one of timm's optimizers raises the size of its cache. Stand-ins
answer these requests; any other, such as torch.compile or torch.utils.checkpoint, loads the real
modules. Sharded tensors (torch.distributed.tensor) are imported by another of timm's optimizers, which
works without them where they are missing.
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
    """A module that is replaced by the real one when an attribute is requested that it lacks."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith(
            "__"
        ):  # read by the import system and by inspect, which must not load it
            raise AttributeError(name)
        return getattr(_real(self.__name__), name)


class _Settings:
    """Keeps settings until the real module is loaded, and loads it when one is read."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_real(_NAME).config, name)

    def __setattr__(self, name: str, value: Any) -> None:
        # A library that imported the config before the real module was loaded still has this object.
        if isinstance(sys.modules.get(_NAME), _StandIn):
            vars(self)[name] = value
        else:
            setattr(_real(_NAME).config, name, value)


class _Finder(MetaPathFinder):
    """Loads the real package when another of its modules is imported."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if not name.startswith(f"{_NAME}.") or not isinstance(sys.modules.get(_NAME), _StandIn):
            return None
        return ModuleSpec(name, _Loaded(_real(name)))


class _Loaded(Loader):
    """Returns a module that is loaded already."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: its code has run."""


def install() -> None:
    """Put the stand-ins in place, unless the compiler has been imported already."""
    if _NAME in sys.modules:
        return  # two copies of the compiler would not know each other's state
    whole, utils = _StandIn(_NAME), _StandIn(f"{_NAME}.utils")
    whole.disable = _disable  # type: ignore[attr-defined]
    whole.graph_break = _nothing  # type: ignore[attr-defined]
    utils.is_compile_supported = _is_compile_supported  # type: ignore[attr-defined]
    whole.utils = utils  # type: ignore[attr-defined]
    whole.config = _Settings()  # type: ignore[attr-defined]
    whole.__path__ = []  # marks a package: only then is the finder asked for its modules
    # First, or the ordinary finder would load a real submodule below the stand-in.
    sys.meta_path.insert(0, _Finder())
    sys.modules |= {_NAME: whole, utils.__name__: utils}


@contextmanager
def hidden(name: str) -> Iterator[None]:
    """Make an import fail with ImportError inside the block, unless the module is loaded already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # None: Python refuses to import it
    try:
        yield
    finally:
        del sys.modules[name]


def _real(name: str) -> ModuleType:
    """The real module of a name; removes the stand-ins."""
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
        kept.clear()  # or later reads would find old values here
    return importlib.import_module(name)


def _disable(
    fn: Callable[..., Any] | None = None, recursive: bool = True, **options: Any
) -> Callable[..., Any]:
    """Return the function unchanged: what is never compiled needs no mark."""
    return partial(_disable, recursive=recursive) if fn is None else fn


def _nothing(*args: object, **options: object) -> None:
    """Nothing: without compilation there is no graph to break."""


def _is_compile_supported(device: object) -> bool:
    return False
