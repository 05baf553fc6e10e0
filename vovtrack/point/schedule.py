"""Learning rates that mmengine alone does not give."""

from __future__ import annotations

from typing import Any

from mmengine.optim import LinearLR

from vovtrack.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class WarmupLR(LinearLR):
    """mmengine's ``LinearLR`` whose last step is the first of the scheduler that follows.

    So it is in PyTorch's ``SequentialLR``: the step at ``end`` has the full rate. mmengine's own
    has it one step before ``end``, and where ``end`` is given in epochs nothing can move it by a
    step.
    """

    @classmethod
    def build_iter_from_epoch(
        cls, *args: Any, end: float, epoch_length: int, by_epoch: bool = True, **kwargs: Any
    ) -> LinearLR:
        """The scheduler in steps of one that is given in epochs, or in parts of one."""
        return LinearLR(*args, end=int(end * epoch_length) + 1, by_epoch=False, **kwargs)
