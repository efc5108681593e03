"""A small network to train, and what it takes to compare two of them to the bit."""

import torch
from torch import nn

PIXELS = torch.linspace(-1, 1, 6 * 3 * 8 * 8).view(6, 3, 8, 8)
TARGETS = torch.arange(6)


class Tiny(nn.Module):
    """Convolution, batch norm and a linear head, in channels_last, always the same."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4, momentum=0.3)
        self.head = nn.Linear(4 * 36, 18)
        self.to(memory_format=torch.channels_last)

    def forward(self, pixels_BCHW: torch.Tensor) -> torch.Tensor:
        logits_BK: torch.Tensor = self.head(self.norm(self.conv(pixels_BCHW)).relu().flatten(1))
        return logits_BK


def loss_of(model: nn.Module, pixels_BCHW: torch.Tensor = PIXELS) -> torch.Tensor:
    """Cross entropy of the few pictures there are."""
    return nn.functional.cross_entropy(model(pixels_BCHW), TARGETS[: len(pixels_BCHW)])


def plain_step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """One ordinary update."""
    optimizer.zero_grad()
    loss_of(model).backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Equal to the bit, names and memory format too."""
    return one.keys() == other.keys() and all(
        torch.equal(one[n], other[n]) and one[n].stride() == other[n].stride() for n in one
    )


def copy_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """The whole state, in the memory format that it has."""
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}
