"""The start of a worker needs no compiler; who needs it gets the real one."""

import subprocess
import sys

import pytest

TRAINS = """
import sys
import torch
from maskcls.config.resolve import resolve
from maskcls.models import network
from maskcls.optim import factory
from maskcls.training.objective import describe
config = resolve("smoke", None, ["model.backbone=test_resnet"])
built, _ = network.build(describe(config), config.image.size)
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
            "f = torch.compile(lambda x: x + 1, backend='eager'); print(int(f(torch.tensor(1))) == 2)",
        ],
    ],
    ids=["a module of it", "a name of it"],
)
def test_who_asks_for_more_gets_the_real_one(uses: list[str]) -> None:
    assert run("\n".join([TRAINS, *uses])) == "True\n" * len(uses)
