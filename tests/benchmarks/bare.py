"""A plain torch loop on random pixels in memory; prints images/s. Configuration as JSON on stdin."""

import json
import sys
import time

import torch
from torch.nn import functional

from maskcls.config.resolve import from_json
from maskcls.models import network as networks
from maskcls.optim import factory
from maskcls.training.objective import describe
from tests.tasks import MASK


def main() -> None:
    threads, seconds = int(sys.argv[1]), float(sys.argv[2])
    torch.set_num_threads(threads)
    config = from_json(json.load(sys.stdin))
    described = describe(config, MASK)
    network, _ = networks.build(described, config.image.size)
    if networks.wants_channels_last(described):
        network = network.to(memory_format=torch.channels_last)
    optimizer = factory.build(network, config.optim)
    size, batch = config.image.size, config.train.batch_size
    pixels = torch.randint(0, 256, (batch, size.height, size.width, 3), dtype=torch.uint8)
    target = torch.randint(0, 18, (batch,))

    def logits() -> torch.Tensor:
        out: torch.Tensor = network(pixels.permute(0, 3, 1, 2).float().div_(255))
        return out

    def update() -> None:
        loss = functional.cross_entropy(logits(), target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    found = {"train": _speed(update, batch, seconds)}
    network.eval()
    with torch.inference_mode():
        found["forward"] = _speed(lambda: logits(), batch, seconds / 2)
    print(json.dumps(found))


def _speed(step: object, batch: int, seconds: float) -> float:
    assert callable(step)
    for _ in range(3):
        step()
    started, steps = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        step()
        steps += 1
    return steps * batch / (time.monotonic() - started)


if __name__ == "__main__":
    main()
