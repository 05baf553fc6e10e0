"""A device that only claims to be one: it computes on the CPU and counts what a GPU waits for.

Tensors say that they are on ``cuda:0`` and hold a CPU tensor; every operation runs on those. An
operation between tensors of host and device fails as it would on a GPU.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

DEVICE = torch.device("cuda:0")
WAITS = {
    "aten::_local_scalar_dense",
    "aten::nonzero",
    "aten::masked_select",
    "aten::is_nonzero",
    "aten::equal",
    "aten::_unique2",
    "aten::unique_dim",
    "aten::unique_consecutive",
    "aten::repeat_interleave.Tensor",
    "aten::bincount",
    "torchvision::nms",
}
"""Operations whose result has a size or value that the host must know."""


class DeviceTensor(torch.Tensor):
    """Claims to be on the device; ``held`` has the numbers."""

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> DeviceTensor:
        wrapped = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=DEVICE,
        )
        wrapped.held = held
        return wrapped

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError(f"{func} on a tensor of the simulated device, but it is switched off")


class SimulatedDevice(TorchDispatchMode):
    """While entered, ``cuda:0`` works; ``waits`` counts why the host waited for it."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name, target = func.name(), kwargs.get("device")
        tensors = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, torch.Tensor)]
        own = [x for x in tensors if isinstance(x, DeviceTensor)]
        hosts = [x for x in tensors if x.dim() and not isinstance(x, DeviceTensor)]
        stays = bool(own) if target is None else torch.device(target).type == DEVICE.type
        if self._copies(name, kwargs, bool(own), bool(hosts), stays):
            if not kwargs.get("non_blocking"):
                self.waits[f"{name} {'to' if stays else 'from'} the device"] += 1
        elif own and hosts:
            raise RuntimeError(f"{name} between tensors of the host and of the device")
        elif own and (name in WAITS or _selects_by_mask(name, tensors)):
            self.waits[name] += 1
        if target is not None:
            kwargs["device"] = torch.device("cpu")
        args, kwargs = tree_map_only(DeviceTensor, lambda x: x.held, (args, kwargs))
        found = func(*args, **kwargs)
        if name == "aten::_local_scalar_dense" or not stays:
            return found
        return tree_map_only(torch.Tensor, DeviceTensor, found)

    @staticmethod
    def _copies(name: str, kwargs: dict, own: bool, hosts: bool, stays: bool) -> bool:
        if name == "aten::_to_copy":
            return own != stays
        # A table of indices on the host is sent to the device.
        return own and hosts and name.startswith(("aten::copy_", "aten::index"))


def _selects_by_mask(name: str, tensors: list[torch.Tensor]) -> bool:
    indexing = name.startswith(("aten::index.", "aten::index_put"))
    return indexing and any(x.dtype in (torch.bool, torch.uint8) for x in tensors[1:])


@contextmanager
def simulated_device(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedDevice]:
    """Let ``cuda:0`` work without a GPU."""
    monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: None)
    torch._C._ensureCUDADeviceGuardSet()
    overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    lifts = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device) copies where it is seen
    try:
        with torch.backends.cudnn.flags(enabled=False), SimulatedDevice() as device:
            yield device
    finally:
        torch._C._set_only_lift_cpu_tensors(lifts)
        torch.__future__.set_overwrite_module_params_on_conversion(overwrite)
