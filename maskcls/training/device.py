"""Where and in which precision a network runs: device, AMP, normalisation of pixels."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import nn

from maskcls.models.backbone import Normalization


class ForwardContext:
    """Device and precision of the forward pass.

    precision "auto" is bfloat16 autocast on a GPU that has it and float32 elsewhere; parameters,
    optimizer and losses stay float32 in any case.
    """

    def __init__(
        self,
        device: torch.device,
        precision: Literal["auto", "float32", "bfloat16"],
        normalization: Normalization,
    ) -> None:
        self.device = device
        # Emulated, as on a V100, it is slower than float32.
        has_bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported(
            including_emulation=False
        )
        self.bfloat16 = precision == "bfloat16" or (precision == "auto" and has_bfloat16)
        # On the scale of the bytes, so that normalising is one subtraction and one product.
        mean = torch.tensor(normalization.mean, device=device) * 255
        std = torch.tensor(normalization.std, device=device) * 255
        self._mean = mean.view(1, 3, 1, 1)
        self._inverse_std = (1 / std).view(1, 3, 1, 1)

    def normalize(self, pixels_BCHW: torch.Tensor) -> torch.Tensor:
        """Pixels in 0..255, uint8 or float32, by the backbone's mean and std; keeps the format."""
        return (pixels_BCHW.float() - self._mean).mul_(self._inverse_std)

    def forward(self, model: nn.Module, pixels_BCHW: torch.Tensor) -> torch.Tensor:
        """The head's outputs_BD, float32, of pixels in 0..255."""
        with self._autocast():
            outputs_BD: torch.Tensor = model(self.normalize(pixels_BCHW))
        return outputs_BD.float()

    @property
    def fill(self) -> tuple[float, float, float]:
        """The pixel that normalises to 0, in 0..255."""
        red, green, blue = self._mean.flatten().tolist()
        return red, green, blue

    def _autocast(self) -> AbstractContextManager[object]:
        if not self.bfloat16:
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)


def pick_device(kind: Literal["cpu", "cuda"]) -> torch.device:
    """The device a worker was given; RuntimeError when torch cannot see the promised GPU."""
    if kind == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise RuntimeError(
            "this worker was given a GPU, but torch sees none: driver and torch's CUDA build"
            f" ({torch.version.cuda}) do not fit; maskcls doctor on that machine says more"
        )
    return torch.device("cuda", torch.cuda.current_device())
