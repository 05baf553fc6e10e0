"""Parts of a model that do not train."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from mmengine.model import BaseModule

from vovtrack.errors import one_of


class FreezesParts(BaseModule):
    """A model that can keep some of its parts from training; the first base of its class."""

    _frozen: tuple[str, ...] = ()
    _frozen_bn: str = "eval"

    def freeze_parts(
        self, names: Sequence[str], frozen_bn: Literal["eval", "train"] = "eval", owner: str = ""
    ) -> None:
        """Keep parts from training.

        Args:
            names: The parts.
            frozen_bn: What their batch statistics do in training: ``eval`` keeps them, ``train``
                lets them drift.
            owner: Dotted name of the submodule that they are parts of; by default the model.

        Raises:
            InputError: An unknown part or choice.
        """
        parts = dict(self.get_submodule(owner).named_children())
        known = [name for name, part in parts.items() if any(True for _ in part.parameters())]
        for name in names:
            one_of("freeze", name, known)
        one_of("frozen_bn", frozen_bn, ("eval", "train"))
        for name in names:
            parts[name].requires_grad_(False)
        self._frozen = tuple(f"{owner}.{name}" if owner else name for name in names)
        self._frozen_bn = frozen_bn

    def train(self, mode: bool = True) -> FreezesParts:
        """Set training mode; batch statistics of frozen parts stay as ``frozen_bn`` says."""
        super().train(mode)
        if mode and self._frozen_bn == "eval":
            for name in self._frozen:
                self.get_submodule(name).eval()
        return self
