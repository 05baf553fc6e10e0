"""Counts where the CPU waits for a GPU; the GPU may be the pretended one of ``fake_cuda``."""

from __future__ import annotations

import torch
import torchvision  # noqa: F401  its operators
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
SIZED_BY_VALUES = {
    *(aten.nonzero, aten.masked_select, aten.bincount, aten.equal, aten.is_nonzero),
    *(aten._local_scalar_dense, aten._unique2, aten.unique_dim, aten.unique_consecutive),
    torch.ops.torchvision.nms,
}
"""Operations whose result, or its size, the CPU reads before it continues."""


class Waits(TorchDispatchMode):
    """Context that lists the operations for which the CPU waits.

    Those that read a value or a size from the GPU, masks as indices, and copies between GPU and CPU
    that are not asked to be asynchronous.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if self._waits(func, args, kwargs):
            self.found.append(str(func))
        return func(*args, **kwargs)

    @staticmethod
    def _waits(func, args: tuple, kwargs: dict) -> bool:
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        on_gpu = [tensor.is_cuda for tensor in tensors]
        if func is aten._to_copy.default:
            target = kwargs.get("device") or tensors[0].device
            return on_gpu[0] != (target.type == "cuda") and not kwargs.get("non_blocking")
        if func is aten.copy_.default:
            asynchronous = args[2] if len(args) > 2 else kwargs.get("non_blocking", False)
            return on_gpu[0] != on_gpu[1] and not asynchronous
        if not any(on_gpu):
            return False
        if func.overloadpacket in (aten.index, aten.index_put, aten.index_put_):
            indices = [index for index in args[1] if index is not None]
            return any(index.dtype == torch.bool or not index.is_cuda for index in indices)
        return func.overloadpacket in SIZED_BY_VALUES
