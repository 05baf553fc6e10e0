"""Networks that are trained by their losses, and used by a tracker that calls their parts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor

from vovtrack.errors import InputError


class OnlineModel(BaseModel):
    """A network without predictions of its own: the config's ``online`` tracker asks its parts.

    Attributes:
        follows: What is followed, in a word for messages.
    """

    follows: str

    def forward(
        self,
        inputs: Sequence[Tensor],
        data_samples: Sequence[BaseDataElement],
        mode: str = "loss",
    ) -> dict[str, Tensor]:
        """See :meth:`loss`, the only mode.

        Raises:
            InputError: Another mode.
        """
        if mode != "loss":
            raise InputError(
                f"{type(self).__name__} has no mode '{mode}': a test follows {self.follows} frame "
                "by frame, by the config's 'online' tracker."
            )
        return self.loss(inputs, data_samples)

    @abstractmethod
    def loss(
        self, inputs: Sequence[Tensor], data_samples: Sequence[BaseDataElement]
    ) -> dict[str, Tensor]:
        """The losses of a batch by name."""
