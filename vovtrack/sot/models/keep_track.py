"""KeepTrack's network: candidates of a map of scores, and descriptors to match them by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from vovtrack.models.freezing import FreezesParts
from vovtrack.registry import MODELS
from vovtrack.sot.localization import local_maxima
from vovtrack.sot.models.candidate_matcher import Candidates
from vovtrack.sot.models.dimp import DiMP
from vovtrack.sot.models.matching_loss import matching_loss, matching_scores

PARTS_OF_DIMP = ("backbone", "classifier", "iou_net")


def candidate_points(cells: Tensor, shape: tuple[int, int], area: Tensor) -> Tensor:
    """Where cells of scores lie in the image.

    Args:
        cells: (N, 2) rows and columns.
        shape: (H, W) of the scores.
        area: (4,) box (x, y, w, h) of the search area in image pixels; the first cell is at its
            upper left corner, the last at its lower right one.

    Returns:
        (N, 2) rows and columns in image pixels.
    """
    last = torch.tensor(shape, device=cells.device) - 1
    return area[:2].flip(-1) + area[2:].flip(-1) * (cells / last)


@MODELS.register_module()
class CandidateNet(BaseModule):
    """Describe a tracker's candidates, and match those of two frames.

    Mayer et al., ICCV 2021, arXiv:2103.16556, sections 3.2 to 3.4. Descriptors are read from the
    features that the tracker has already.

    Args:
        in_channels: Of the tracker's coarser map.
        channels: Of descriptors.
        matcher: Config of :class:`CandidateMatcher`.
        size: Of the kernel; an even one gives a row and a column more, as the scores of an even
            filter have.
        window: Cells around a candidate in which no score is higher.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        matcher: dict[str, Any],
        size: int = 4,
        window: int = 5,
    ) -> None:
        super().__init__()
        self.window = window
        self.descriptor = nn.Conv2d(in_channels, channels, size, padding=size // 2)
        self.matcher = MODELS.build(matcher)

    def find(self, scores: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
        """Candidates of a map of scores (H, W), highest first, see :func:`local_maxima`."""
        return local_maxima(scores, self.window, threshold)

    def describe(self, feat: Tensor, cells: Tensor) -> Tensor:
        """Read descriptors.

        Args:
            feat: (B, in_channels, H, W).
            cells: (B, N, 2) rows and columns of the scores.

        Returns:
            (B, C, N).
        """
        conv = self.descriptor
        padded = F.pad(feat, [conv.kernel_size[0] // 2] * 4)
        batch = torch.arange(len(feat), device=feat.device).view(-1, 1, 1, 1)
        reach = torch.arange(conv.kernel_size[0], device=feat.device)
        rows, columns = (cells[..., axis, None] + reach for axis in (0, 1))
        # Most cells are nobody's: the convolution is applied where there are candidates.
        patches = padded[batch, :, rows[..., None], columns[..., None, :]]
        found = F.linear(patches.movedim(-1, 2).flatten(2), conv.weight.flatten(1), conv.bias)
        return found.transpose(1, 2)


@MODELS.register_module()
class KeepTrack(FreezesParts, DiMP):
    """DiMP, and what tells its candidates apart.

    DiMP is trained before. It is frozen, with the statistics of its norms, so that descriptors are
    learned of the features that the tracker has; the released matcher saw those of the last stage
    normalised by the batch.

    Args:
        candidates: Config of :class:`CandidateNet`, which sees the backbone's second map.
        **dimp: Of :class:`DiMP`.
    """

    def __init__(self, candidates: dict[str, Any], **dimp: Any) -> None:
        super().__init__(**dimp)
        self.freeze_parts([name for name, _ in self.named_children() if name in PARTS_OF_DIMP])
        self.candidates = MODELS.build(candidates)

    def loss(
        self, inputs: Sequence[Tensor], data_samples: Sequence[BaseDataElement]
    ) -> dict[str, Tensor]:
        """Match the candidates of two frames.

        Args:
            inputs: Of each pair (2, 3, side, side) search areas, RGB from 0 to 255.
            data_samples: Of each pair ``cells`` (2, N, 2), ``points`` (2, N, 2), ``scores`` (2, N),
                and ``partners`` (2, N), see :class:`~vovtrack.sot.datasets.CandidateClips`, and
                ``size`` (2,), height and width of the frames.

        Returns:
            ``loss_matched`` and ``loss_alone``, whose sum is the mean of
            :attr:`MatchingLoss.total`; and ``recall``, the share of known partners that are found.
        """
        known = {
            name: torch.stack([sample.get(name) for sample in data_samples])
            for name in ("cells", "points", "scores", "partners", "size")
        }
        with torch.no_grad():
            _, coarse = self.extract(self.normalize(torch.cat(list(inputs))))
        views = coarse.unflatten(0, (-1, 2))
        first, second = (
            Candidates(
                self.candidates.describe(views[:, k], known["cells"][:, k]),
                known["points"][:, k],
                known["scores"][:, k],
            )
            for k in (0, 1)
        )
        matcher = self.candidates.matcher
        found = matcher(first, second, known["size"])
        partners = known["partners"]
        loss = matching_loss(found, partners[:, 0], partners[:, 1])
        scores = matching_scores(matcher.match(found)[0].partner, partners[:, 0])
        return dict(
            loss_matched=loss.matched.mean() / 2,
            loss_alone=loss.alone.mean() / 2,
            recall=scores.recall.nanmean(),
        )
