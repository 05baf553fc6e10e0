"""Hooks of the training of pairs."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from vovtrack.errors import InputError
from vovtrack.registry import HOOKS


@HOOKS.register_module()
class StopMixingHook(Hook):
    """Ends strong augmentation: from an epoch on, views are as they were read.

    Source: YOLOX (Ge et al., arXiv 2107.08430, section 2.1), which then also learns the sides of
    boxes by an L1 loss. A run that continues later keeps to it.

    Args:
        epoch: The first epoch without mixing; epochs count from 0.
        l1: Turn the L1 loss of ``model.detector.bbox_head`` on.

    Raises:
        InputError: The training data is not a
            :class:`~ovtrack.datasets.pairs.MixedPairDataset`.
    """

    def __init__(self, epoch: int, l1: bool = False) -> None:
        self.epoch = epoch
        self.l1 = l1

    def before_train_epoch(self, runner: Runner) -> None:
        """Stop, if the epoch is there."""
        if runner.epoch < self.epoch:
            return
        data = runner.train_dataloader.dataset
        if not hasattr(data, "stop_mixing"):
            raise InputError(
                f"StopMixingHook: the training data, {type(data).__name__}, mixes no views; leave "
                "the hook out (default_hooks.stop_mixing=None)."
            )
        data.stop_mixing()
        if self.l1:
            model = runner.model.module if is_model_wrapper(runner.model) else runner.model
            model.detector.bbox_head.use_l1 = True
        if runner.epoch == self.epoch:
            runner.logger.info("Views are not mixed any more.")
