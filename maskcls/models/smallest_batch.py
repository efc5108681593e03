"""The minimum batch a network can train on: batch normalisation of a 1x1 map needs two images."""

import torch
from torch.func import functional_call

from maskcls.config.values import Size
from maskcls.models.network import Network

# The message of torch.nn.functional.batch_norm, which raises a plain ValueError.
_ONE_VALUE = "Expected more than 1 value per channel"


def smallest_batch(network: Network, size: Size) -> int:
    """2 where some layer normalises one value per image and channel in training, else 1.

    Found by a forward pass of one image in training mode on the meta device, which computes nothing:
    weights, running statistics and random state stay as they are. A network that cannot run there
    is taken to train on a single image, as usual.
    """
    state = {
        name: tensor.to("meta")
        for name, tensor in [*network.named_parameters(), *network.named_buffers()]
    }
    pixels = torch.zeros(1, 3, size.height, size.width, device="meta")
    # Each module's own: a frozen part may be in evaluation mode while the rest trains.
    modes = {module: module.training for module in network.modules()}
    try:
        with torch.no_grad():
            # Instead of a copy on the meta device: copying a large network would take its memory twice.
            functional_call(network.train(), state, (pixels,))
    except Exception as e:  # which exception the meta device causes depends on the backbone
        return 2 if _ONE_VALUE in str(e) else 1
    finally:
        for module, training in modes.items():
            module.training = training
    return 1
