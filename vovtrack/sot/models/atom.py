"""The network of ATOM, whose classifier has no weights of its own."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from vovtrack.registry import MODELS
from vovtrack.sot.models.target_model import TargetModel


@MODELS.register_module()
class ATOM(TargetModel):
    """A backbone, and a network that fits the target's box.

    Danelljan et al., CVPR 2019, arXiv:1811.07628. What finds the target is learned online, see
    :class:`FilterFit`.

    Args:
        backbone: Config of a network that gives maps of stride 8 and 16.
        iou_net: Config of :class:`IoUNet`.
        losses: Config of a loss of boxes; None for a network that is not trained.
        **options: Of :class:`TargetModel`.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        iou_net: dict[str, Any],
        losses: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(backbone, losses, **options)
        self.iou_net = MODELS.build(iou_net)

    def extract(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The backbone's two maps of images (N, 3, H, W), RGB and normalised."""
        fine, coarse = self.backbone(images)
        return fine, coarse

    def learn(self, train: Tensor, test: Tensor, truth: dict[str, Tensor]) -> dict[str, Tensor]:
        """Fit boxes, see :meth:`TargetModel.learn`.

        Of the truth it takes the boxes, ``test_proposals`` (images, sequences, K, 4), and what
        ``losses`` asks for.
        """
        assert self.losses is not None
        first, maps = (self.extract(images) for images in (train[0], test.flatten(0, 1)))
        foretold = self.iou_net.foretell(
            first, truth["train_boxes"][0], maps, truth["test_proposals"]
        )
        return dict(loss_box=self.losses(foretold, truth))
