"""A GPU on a machine without one: tensors that hold CPU values and say that they lie on cuda:0.

Inside of :func:`fake_cuda` every operation is checked as CUDA checks it: its tensors lie on one
device, else :class:`MixedDevicesError`. The values are real, so that detections, samplers and
losses take the way they take with any data. Not modelled: autocast, streams, what kernels
themselves refuse.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from unittest.mock import patch

import mmengine.device.utils
import torch
from mmengine.structures import instance_data
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CUDA = torch.device("cuda", 0)
CPU = torch.device("cpu")
aten = torch.ops.aten

MIXING = {aten.copy_.default, aten._to_copy.default, aten._foreach_copy_.default}
"""Operations whose purpose is to go from one device to another."""
INDEXING = {
    aten.index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
    aten._index_put_impl_.default,
    aten._unsafe_index.Tensor,
}
"""Operations on a GPU tensor whose indices, their second argument, may lie on the CPU."""

REFUSED = "same device"
"""In what CUDA and the pretended GPU say of an operation between devices."""
_real_gpu = False


def use_real_gpu() -> None:
    """Let :func:`fake_cuda` give the first GPU of this machine from now on."""
    global _real_gpu
    _real_gpu = True
    # As exact as the CPU, whose results these tests expect.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


class MixedDevicesError(RuntimeError):
    """An operation that fails on a GPU, because its tensors lie on different devices."""


class FakeCudaTensor(Tensor):
    """A tensor that says it lies on cuda:0; its value lies on the CPU."""

    device = property(lambda self: CUDA)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, value: Tensor) -> FakeCudaTensor:
        # Autograd runs a "lazy" tensor in the calling thread and asks no driver for a stream.
        made = Tensor._make_wrapper_subclass(
            cls, value.shape, strides=value.stride(), dtype=value.dtype, device="lazy"
        )
        made.value = value
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})

    def __repr__(self) -> str:
        return f"FakeCudaTensor({self.value!r})"

    def tolist(self) -> list:
        return self.detach().cpu().tolist()

    def numpy(self, *, force: bool = False):
        if not force:
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu().")
        return self.detach().cpu().numpy()

    def __array__(self, dtype=None):
        return self.numpy()


class _Operations(TorchDispatchMode):
    """Sees the operations without any fake tensor: they may make the first one."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


class _Requests(TorchFunctionMode):
    """Answers what torch would ask the driver before it reaches an operation."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is Tensor.pin_memory:
            return args[0]
        if func is Tensor.cuda:
            func, args = Tensor.to, (args[0], CUDA)
        if func is Tensor.to:
            args = tuple(map(_numbered, args))
            kwargs = {name: _numbered(word) for name, word in kwargs.items()}
        return func(*args, **kwargs)


@contextlib.contextmanager
def fake_cuda() -> Iterator[torch.device]:
    """One GPU, for torch and for the runner; gives its device."""
    if _real_gpu:
        yield CUDA
        return
    answers = {
        "is_available": True,
        "is_bf16_supported": True,
        "device_count": 1,
        "current_device": 0,
        "max_memory_allocated": 0,
        "get_device_name": "fake",
        "get_rng_state": torch.get_rng_state(),
    }
    silent = ("_lazy_init", "synchronize", "empty_cache", "reset_peak_memory_stats")
    seeds = ("set_rng_state", "manual_seed", "manual_seed_all")
    with contextlib.ExitStack() as stack:
        for name, answer in {**answers, **dict.fromkeys(silent + seeds)}.items():
            stack.enter_context(patch.object(torch.cuda, name, lambda *_, _a=answer, **__: _a))
        # Optimizers would ask its driver whether a graph is being captured.
        stack.enter_context(
            patch.object(torch.accelerator, "current_accelerator", lambda *_, **__: None)
        )
        stack.enter_context(patch.object(mmengine.device.utils, "DEVICE", "cuda"))
        # It names the kinds of tensors that may be an index.
        indices = instance_data.IndexType | FakeCudaTensor
        stack.enter_context(patch.object(instance_data, "IndexType", indices))
        stack.enter_context(patch.object(torch, "load", partial(_load, torch.load)))
        # As torch's own fake tensors: torch.tensor() shows its copy to a device as an operation,
        # and a module that moves takes other parameters instead of other storage.
        stack.callback(torch._C._set_only_lift_cpu_tensors, torch._C._only_lift_cpu_tensors())
        torch._C._set_only_lift_cpu_tensors(True)
        replaces = torch.__future__.get_overwrite_module_params_on_conversion()
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, replaces)
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        stack.enter_context(_Operations())
        stack.enter_context(_Requests())
        yield CUDA


def _load(load: Callable, file: object, map_location: object = None, **kwargs) -> object:
    """As ``torch.load``, which moves storages; here the tensors made of them move."""
    if not _is_cuda(map_location):
        return load(file, map_location, **kwargs)
    content = load(file, CPU, **kwargs)
    return tree_map(lambda leaf: leaf.to(CUDA) if isinstance(leaf, Tensor) else leaf, content)


def _run(func, args: tuple, kwargs: dict):
    """Compute on the CPU; the results lie where CUDA would have put them."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    fakes = {id(t.value): t for t in tensors if isinstance(t, FakeCudaTensor)}
    on_gpu = bool(fakes)
    if on_gpu and func not in MIXING:
        _check(func, args, kwargs)
    if kwargs.get("device") is not None:
        on_gpu = kwargs["device"].type != "cpu"
        kwargs = {**kwargs, "device": CPU}
    if on_gpu and kwargs.get("generator") is not None:
        raise MixedDevicesError(f"{func}: a generator of the CPU draws on cuda:0.")
    results = func(*tree_map(_value, args), **tree_map(_value, kwargs))
    for fake in fakes.values():
        if fake.shape != fake.value.shape:
            raise NotImplementedError(f"{func} changes the shape of a tensor in place.")

    def place(result: object) -> object:
        if not on_gpu or type(result) is not Tensor:
            return result
        return fakes[id(result)] if id(result) in fakes else FakeCudaTensor(result)

    return tree_map(place, results)


def _check(func, args: tuple, kwargs: dict) -> None:
    """Refuse CPU tensors beside GPU tensors; single numbers may be read, as CUDA allows.

    Raises:
        MixedDevicesError: Names the operation and the tensors.
    """
    read = [*args, *kwargs.values()]
    if func in INDEXING and isinstance(args[0], FakeCudaTensor):
        read.pop(1)
    wrong = [t for t in tree_leaves(read) if _on_cpu(t) and t.dim() > 0]
    written = [
        value
        for argument, value in zip(func._schema.arguments, args, strict=False)
        if argument.alias_info is not None and argument.alias_info.is_write
    ]
    wrong += [t for t in tree_leaves(written) if _on_cpu(t)]
    if wrong:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in wrong)
        raise MixedDevicesError(
            f"{func} expects all tensors on the same device: those of shape {shapes} are on the "
            "CPU, others on cuda:0."
        )


def _on_cpu(value: object) -> bool:
    return isinstance(value, Tensor) and not isinstance(value, FakeCudaTensor)


def _value(value: object) -> object:
    return value.value if isinstance(value, FakeCudaTensor) else value


def _is_cuda(word: object) -> bool:
    return isinstance(word, (str, torch.device)) and torch.device(word).type == "cuda"


def _numbered(word: object) -> object:
    """A GPU with its number, without which torch asks the driver for one."""
    return CUDA if _is_cuda(word) else word
