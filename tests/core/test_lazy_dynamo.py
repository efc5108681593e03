"""A worker starts without the compiler; a use of it loads the real one."""

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

TRAINS = """
import sys
import torch
from maskcls.config.resolve import resolve
from maskcls.data.task_file import built_in
from maskcls.models import network
from maskcls.optim import factory
from maskcls.training.objective import describe
config = resolve("smoke", None, ["model.backbone=test_resnet"])
built, _ = network.build(describe(config, built_in("mask").task()), config.image.size)
optimizer = factory.build(built, config.optim)
built(torch.zeros(2, 3, config.image.size.height, config.image.size.width)).sum().backward()
optimizer.step()
heavy = ("torch._dynamo", "torch.distributed.tensor", "sympy")
loaded = [n for n in sys.modules if n.startswith(heavy)]
"""


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


CHECKPOINT = """
from torch.utils.checkpoint import checkpoint
def gradient(**options):
    x = torch.arange(3.0, requires_grad=True)
    checkpoint(lambda t: (t * t).sin(), x, **options).sum().backward()
    return torch.equal(x.grad, (2 * x * (x * x).cos()).detach())
"""
COMPILE = "f = torch.compile(lambda x: x + 1, backend='eager'); print(int(f(torch.tensor(1))) == 2)"


def test_the_installed_torch_is_one_that_the_stand_in_was_tested_with() -> None:
    """A new torch comes by raising the bound in pyproject.toml, with the tests below passing on it."""
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    listed = map(Requirement, tomllib.loads(pyproject.read_text())["project"]["dependencies"])
    (torch,) = (r for r in listed if r.name == "torch")
    assert any(bound.operator == "<" for bound in torch.specifier)
    assert torch.specifier.contains(Version(version("torch")).base_version, prereleases=True)


@pytest.mark.slow
def test_activation_checkpoints_work_before_and_after_the_compiler_came() -> None:
    uses = [
        "config = torch._dynamo.config",  # of the stand-in
        "print(gradient(use_reentrant=True))",
        "print(gradient(use_reentrant=False))",
        "built.backbone.set_grad_checkpointing()",
        "built.train()(torch.randn(2, 3, 64, 64)).sum().backward()",
        "print(torch._dynamo.config.cache_size_limit == config.cache_size_limit == 1_000_000)",
        "config.cache_size_limit = 7; print(torch._dynamo.config.cache_size_limit == 7)",
        COMPILE,
        "print(gradient(use_reentrant=False))",
    ]
    assert run("\n".join([TRAINS, CHECKPOINT, *uses])) == "True\n" * 6


@pytest.mark.slow
def test_building_and_training_do_not_import_the_compiler() -> None:
    assert run(TRAINS + "print(sorted(loaded))") == "['torch._dynamo', 'torch._dynamo.utils']\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "uses",
    [
        # What timm's kron set before it was there.
        [
            "import torch._dynamo.eval_frame; print(torch._dynamo.config.cache_size_limit == 1_000_000)"
        ],
        [
            "from torch._dynamo.utils import counters; print(counters is torch._dynamo.utils.counters)",
            "import torch._dynamo.config as c; print(c.suppress_errors is False)",
            "from torch.distributed.tensor import DTensor; print(DTensor.__name__ == 'DTensor')",
            COMPILE,
        ],
    ],
    ids=["a module of it", "a name of it"],
)
def test_any_other_use_loads_the_real_one(uses: list[str]) -> None:
    assert run("\n".join([TRAINS, *uses])) == "True\n" * len(uses)
