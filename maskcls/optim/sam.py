"""Sharpness-aware minimisation (SAM): a step with the gradient of the worst point nearby.

Foret, Kleiner, Mobahi, Neyshabur, arXiv:2010.01412, algorithm 1 with p = 2. An update takes two
passes over the same batch:

    loss.backward()      gradient g at the weights w
    sam.ascend()         w + rho * g / |g|
    sam.zero_grad()
    loss.backward()      gradient there (clip this one, if any)
    sam.descend()        back to w, and the base optimizer's step with it
"""

from typing import Any, NoReturn

import torch
from torch.nn.utils import get_total_norm

# The gradient of a loss that is exactly 0 has no direction; the weights are not perturbed then.
_TINY = 1e-12


class Sam(torch.optim.Optimizer):
    """A base optimizer whose step uses the gradient taken at w + rho * g / |g|.

    |g| is the norm over all parameters of all groups. Parameter groups, options and state are the
    base's own, so setting rates and writing checkpoints act on the base. The perturbation exists only
    between ascend and descend and is not part of the state.
    """

    def __init__(self, base: torch.optim.Optimizer, rho: float) -> None:
        super().__init__(base.param_groups, base.defaults)
        self.base = base
        self.rho = rho
        self._own: list[tuple[torch.Tensor, torch.Tensor]] | None = None
        self._share()

    def _share(self) -> None:
        # The same objects, not copies: set_rate writes into them, and the base reads them.
        self.param_groups = self.base.param_groups
        self.state = self.base.state

    @torch.no_grad()
    def ascend(self) -> None:
        """Move the weights by rho along their gradients (eq. 2); the original values are kept.

        Under DDP the gradients are the workers' mean, so all of them move alike. Parameters
        without a gradient are not moved. Raises RuntimeError when no descend followed the last one.
        """
        if self._own is not None:
            raise RuntimeError("Sam.ascend again before Sam.descend")
        weights = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        # The norm stays on the device: reading it would make the CPU wait in every update.
        scale = self.rho / (get_total_norm([p.grad for p in weights]) + _TINY)
        self._own = [(p, p.clone(memory_format=torch.preserve_format)) for p in weights]
        for p in weights:
            assert p.grad is not None
            p.addcmul_(p.grad, scale.to(p.device, p.dtype))

    @torch.no_grad()
    def descend(self) -> None:
        """Restore the kept weights exactly, then do the base's step with the present gradients.

        Raises RuntimeError without an ascend before it.
        """
        self.put_back()
        self.base.step()

    @torch.no_grad()
    def put_back(self) -> None:
        """The first half of descend, for a caller that does the base's step itself (a gradient scaler).

        Raises RuntimeError without an ascend before it.
        """
        if self._own is None:
            raise RuntimeError("Sam.descend without Sam.ascend before it")
        for p, own in self._own:  # subtracting the perturbation would leave rounding errors
            p.copy_(own)
        self._own = None

    def step(self, closure: Any = None) -> NoReturn:
        """Always RuntimeError: one step would silently train without the second gradient."""
        raise RuntimeError(
            "Sam has no single step: call ascend() after the first backward pass and descend()"
            " after the second"
        )

    def state_dict(self) -> dict[str, Any]:
        """The base's state. Raises RuntimeError while the weights are perturbed."""
        if self._own is not None:
            raise RuntimeError("Sam's state between ascend and descend: the weights are perturbed")
        return self.base.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what state_dict returned; a pending perturbation is dropped without restoring."""
        self.base.load_state_dict(state_dict)
        self._own = None
        self._share()  # loading gives the base new groups and a new state
