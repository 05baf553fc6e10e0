"""Making a trained model faster without changing what it computes."""

from __future__ import annotations

import torch
from mmcv.cnn.utils import fuse_conv_bn
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from vovtrack.engine.checkpoint import bare_model
from vovtrack.registry import HOOKS


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


@HOOKS.register_module()
class FoldNormsHook(Hook):
    """Prepares the model of a test for speed, once its weights are loaded."""

    def before_test(self, runner: Runner) -> None:
        """See :func:`prepare_for_speed`."""
        prepare_for_speed(bare_model(runner.model).eval())
