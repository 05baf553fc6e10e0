"""How large a model may be that an untrusted file describes: measured before memory is taken."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vovtrack.errors import InputError

VARIABLE = "VOVTRACK_MAX_MODEL_GB"
"""Environment variable: GiB of weights; one tensor that they make may take a quarter of it."""
DEFAULT_GB = 2.0
"""Five times what a ResNet-101 detector with a CLIP beside it has."""
MAX_MODULES = 5_000
"""Ten times the modules of the largest model of this project's configs."""


def max_model_bytes() -> int:
    """Bytes that the weights of a described model may take.

    Raises:
        InputError: The environment variable is not a positive number.
    """
    text = os.environ.get(VARIABLE, str(DEFAULT_GB))
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not 0 < limit < float("inf"):
        raise InputError(f"{VARIABLE} is '{text}': give a number of GiB above 0.")
    return int(limit * (1 << 30))


@contextmanager
def measured(what: str) -> Iterator[None]:
    """Build modules and run them on torch's meta device, where they take no memory.

    Args:
        what: What describes the model, for the message.

    Raises:
        InputError: The modules, their weights or a tensor that they make pass the limits.
    """
    budget = _Budget(what, max_model_bytes())
    with ExitStack() as stack:
        for register, count in (
            (torch_module.register_module_module_registration_hook, budget.count_module),
            (torch_module.register_module_parameter_registration_hook, budget.count_weight),
            (torch_module.register_module_buffer_registration_hook, budget.count_weight),
        ):
            stack.callback(register(count).remove)
        stack.enter_context(torch.device("meta"))
        stack.enter_context(_ReadableRates())
        stack.enter_context(budget)
        yield


class _ReadableRates(TorchFunctionMode):
    """Backbones read the numbers of ``linspace`` as rates of their layers: they have values."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        steps = kwargs.get("steps", args[2] if len(args) > 2 else 0)
        if func is torch.linspace and steps <= MAX_MODULES:
            kwargs["device"] = "cpu"
        return func(*args, **kwargs)


class _Budget(TorchDispatchMode):
    def __init__(self, what: str, limit: int) -> None:
        super().__init__()
        self.what, self.limit = what, limit
        self.modules = self.bytes = 0

    def count_module(self, owner: nn.Module, name: str, part: nn.Module | None) -> None:
        self.modules += part is not None
        if self.modules > MAX_MODULES:
            raise InputError(
                f"{self.what} asks for a model of more than {MAX_MODULES} parts; it was not built."
            )

    def count_weight(self, owner: nn.Module, name: str, weight: Tensor | None) -> None:
        self.bytes += 0 if weight is None else _bytes(weight)
        if self.bytes > self.limit:
            self._refuse("weights", self.bytes, self.limit)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and _bytes(tensor) > self.limit // 4:
                self._refuse("a tensor", _bytes(tensor), self.limit // 4)
        return made

    def _refuse(self, kind: str, asked: int, limit: int) -> None:
        raise InputError(
            f"{self.what} asks for {kind} of {asked / (1 << 30):.1f} GiB or more; the limit is "
            f"{limit / (1 << 30):.1f} GiB. It was not built. {VARIABLE}=NUMBER sets the limit."
        )


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
