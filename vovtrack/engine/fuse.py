"""Making a trained model faster, without changing what it computes or with fewer digits."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import torch
from mmcv.cnn.utils import fuse_conv_bn
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from vovtrack.engine.weights.checkpoint import bare_model
from vovtrack.errors import InputError, one_of
from vovtrack.registry import HOOKS

AMP_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def prepare_for_speed(model: nn.Module) -> nn.Module:
    """Fold batch statistics into convolutions and lay out weights for the memory order they use.

    The outputs stay equal up to rounding. The model can no longer be trained or saved as a
    checkpoint, because its batch norms are gone.

    Args:
        model: A model in evaluation mode; it is changed in place.

    Returns:
        The same model.
    """
    if model.training:
        raise ValueError("Only a model in evaluation mode can be folded: call model.eval() first.")
    return fuse_conv_bn(model).to(memory_format=torch.channels_last)


def mix_precision(model: nn.Module, amp: str) -> nn.Module:
    """Let a model compute in mixed precision wherever it is called, on whatever device it is then.

    Args:
        model: It is changed in place. One that is called by other methods than ``forward`` names
            all of them as ``entry_points``.
        amp: ``bf16`` or ``fp16``.

    Returns:
        The same model.

    Raises:
        InputError: Another type.
    """
    one_of("amp", amp, AMP_DTYPES)

    def mixed(plain: Callable) -> Callable:
        @wraps(plain)
        def call(*args, **kwargs):
            device = next(model.parameters()).device.type
            with torch.autocast(device, AMP_DTYPES[amp]):
                return plain(*args, **kwargs)

        return call

    for name in getattr(model, "entry_points", ("forward",)):
        setattr(model, name, mixed(getattr(model, name)))
    return model


def compile_features(model: nn.Module) -> nn.Module:
    """Let ``torch.compile`` translate backbone and neck, when they are first called.

    A second size of images makes it translate again, for any size.

    Args:
        model: A model whose ``detector``, or which itself, has a ``backbone`` and perhaps a
            ``neck``; it is changed in place.

    Returns:
        The same model.

    Raises:
        InputError: ``torch.compile`` does not work on this machine for the model's device.
    """
    device = next(model.parameters()).device
    try:
        torch.compile(torch.sin)(torch.ones(2, device=device))
    except RuntimeError as error:
        raise InputError(
            f"torch.compile does not work on this machine for '{device.type}' "
            f"({str(error).splitlines()[0]}): install a C++ compiler and name it by CXX, "
            "or do without --compile."
        ) from error
    detector = getattr(model, "detector", model)
    for name in ("backbone", "neck"):
        if getattr(detector, name, None) is not None:
            getattr(detector, name).compile()
    return model


@HOOKS.register_module()
class MixPrecisionHook(Hook):
    """Tests in mixed precision.

    Args:
        amp: See :func:`mix_precision`.
    """

    def __init__(self, amp: str) -> None:
        self.amp = amp

    def before_test(self, runner: Runner) -> None:
        """See :func:`mix_precision`."""
        mix_precision(bare_model(runner.model), self.amp)


@HOOKS.register_module()
class FoldNormsHook(Hook):
    """Prepares the model of a test for speed, once its weights are loaded."""

    def before_test(self, runner: Runner) -> None:
        """See :func:`prepare_for_speed`."""
        prepare_for_speed(bare_model(runner.model).eval())


@HOOKS.register_module()
class CompileHook(Hook):
    """Compiles what costs most in a test, once its weights are loaded."""

    def before_test(self, runner: Runner) -> None:
        """See :func:`compile_features`."""
        compile_features(bare_model(runner.model))
