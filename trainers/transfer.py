"""From the memory of the machine to that of a device."""

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The numbers on the device, without waiting for what that still has to do.

    The copy is of pinned memory without gaps, the only kind that a device fetches by itself. Its
    allocator does not give that memory away before it has been read.
    """
    if device.type == "cpu":
        return tensor
    return tensor.contiguous().pin_memory().to(device, non_blocking=True)
