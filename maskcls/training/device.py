"""Where and in which precision a network runs: device, AMP, normalisation of pixels."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import nn

from maskcls.core.errors import GpuFault
from maskcls.models.backbone import Normalization

Precision = Literal["auto", "float32", "bfloat16", "float16"]
_TENSOR_CORES = (7, 0)  # compute capability of Volta, the first whose float16 pays


class ForwardContext:
    """Device and precision of the forward pass.

    dtype: of the backbone's products under AMP (autocast); float32 is without AMP. Parameters,
    optimizer, head and losses are float32 in any case. precision: see dtype_of.
    """

    def __init__(
        self, device: torch.device, precision: Precision, normalization: Normalization
    ) -> None:
        self.device = device
        self.dtype = _dtype_on(device, precision)
        # On the scale of the bytes, so that normalising is one subtraction and one product.
        mean = torch.tensor(normalization.mean, device=device) * 255
        std = torch.tensor(normalization.std, device=device) * 255
        self._mean = mean.view(1, 3, 1, 1)
        self._inverse_std = (1 / std).view(1, 3, 1, 1)

    def normalize(self, pixels_BCHW: torch.Tensor) -> torch.Tensor:
        """Pixels in 0..255, uint8 or float32, by the backbone's mean and std; keeps the format."""
        # In float32 whatever the precision: autocast begins at the model's own layers. The product is
        # in place, which leaves the caller's pixels alone: the difference is a new tensor.
        return (pixels_BCHW.float() - self._mean).mul_(self._inverse_std)

    def forward(self, model: nn.Module, pixels_BCHW: torch.Tensor) -> torch.Tensor:
        """The head's outputs_BD, float32, of pixels in 0..255."""
        with self._autocast():
            # The head leaves autocast by itself (models/network.py); parameters stay float32.
            outputs_BD: torch.Tensor = model(self.normalize(pixels_BCHW))
        return outputs_BD.float()

    def make_scaler(self) -> torch.amp.GradScaler:
        """Scales losses so that float16 gradients do not vanish; does nothing in other precisions.

        Micikevicius et al. 2018, "Mixed precision training", arXiv:1710.03740.
        """
        # bfloat16 has the exponent of float32, so its gradients need no scaling.
        return torch.amp.GradScaler(self.device.type, enabled=self.dtype is torch.float16)

    @property
    def precision(self) -> str:
        """Of the backbone's products: "float32", "bfloat16" or "float16"."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def fill(self) -> tuple[float, float, float]:
        """The pixel that normalises to 0, in 0..255."""
        red, green, blue = self._mean.flatten().tolist()
        return red, green, blue

    def _autocast(self) -> AbstractContextManager[object]:
        if self.dtype is torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)


def dtype_of(
    precision: Precision, has_bfloat16: bool, capability: tuple[int, int] | None
) -> torch.dtype:
    """The dtype of a precision on a device; "auto" is bfloat16 where the device has it, else float16
    on a GPU with tensor cores (V100, T4), else float32.

    has_bfloat16: in hardware. capability: compute capability of a GPU, None for a CPU.
    """
    if precision != "auto":
        fixed: torch.dtype = getattr(torch, precision)
        return fixed
    if capability is None:  # on a CPU the gain in speed does not make up for the digits
        return torch.float32
    if has_bfloat16:
        return torch.bfloat16
    return torch.float16 if capability >= _TENSOR_CORES else torch.float32


def _dtype_on(device: torch.device, precision: Precision) -> torch.dtype:
    if device.type != "cuda":
        return dtype_of(precision, False, None)
    # Emulated, as on a V100, bfloat16 is slower than float32.
    has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return dtype_of(precision, has_bfloat16, torch.cuda.get_device_capability(device))


def pick_device(kind: Literal["cpu", "cuda"]) -> torch.device:
    """The device that a worker was assigned; GpuFault when torch does not see its GPU."""
    if kind == "cpu":
        return torch.device("cpu")
    # No fallback to the CPU: it would be far slower, with the GPU reserved and idle.
    if not torch.cuda.is_available():
        raise GpuFault(
            "this worker was given a GPU, but torch sees none: driver and torch's CUDA build"
            f" ({torch.version.cuda}) do not fit; maskcls doctor on that machine says more"
        )
    return torch.device("cuda", torch.cuda.current_device())
