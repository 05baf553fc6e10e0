"""Which boxes are refined, and what the refined ones say."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vovtrack.sot.first_views import Draw

LEAST = 1.0
"""Width and height of a refined box, in pixels of the search area."""


@dataclass(frozen=True)
class RefinementSettings:
    """How the box of a target is found (ATOM, arXiv:1811.07628, section 3.1).

    Attributes:
        random_boxes: Boxes that are refined besides the last one.
        jitter_position: How far their centres lie from its, up to half of this share of its side.
        jitter_size: How much their sides differ from its, likewise.
        least_edge: They are not smaller than this share of its shorter side.
        steps: Of gradient ascent.
        step_length: See :func:`vovtrack.sot.models.iou_net.refine_boxes`.
        relative: See there.
        reach: See :func:`vovtrack.sot.models.nearby.refine_nearby`; a matter of speed alone.
        best: Of so many that fit best, the mean is taken.
        max_aspect: Boxes of which one side is so many times the other are left out.
    """

    random_boxes: int = 9
    jitter_position: float = 0.1
    jitter_size: float = 0.5
    least_edge: float = 1 / 3
    steps: int = 5
    step_length: float = 1.0
    relative: bool = False
    reach: float = 0.5
    best: int = 3
    max_aspect: float = 6.0


def propose_boxes(box: Tensor, settings: RefinementSettings, draw: Draw) -> Tensor:
    """Boxes to refine.

    Args:
        box: (4,) the last box (x, y, w, h) in pixels of the search area.
        settings: How they differ.
        draw: Draws (random_boxes, 4) once.

    Returns:
        (1 + random_boxes, 4), the last box first.
    """
    jitter = box.new_tensor([settings.jitter_position] * 2 + [settings.jitter_size] * 2)
    drawn = draw(settings.random_boxes, 4).to(box.device)
    moved = (drawn - 0.5) * jitter * box[2:].prod().sqrt()
    size = torch.maximum(box[2:] + moved[:, 2:], settings.least_edge * box[2:].min())
    centre = box[:2] + box[2:] / 2 + moved[:, :2]
    return torch.cat([box[None], torch.cat([centre - size / 2, size], dim=1)])


def choose_box(boxes: Tensor, overlap: Tensor, settings: RefinementSettings) -> Tensor | None:
    """The mean of the boxes that fit best.

    Args:
        boxes: (K, 4) refined boxes (x, y, w, h).
        overlap: (K,) how well they fit.
        settings: Which are left out, and how many are taken.

    Returns:
        (4,), or None if all are left out.
    """
    boxes = torch.cat([boxes[:, :2], boxes[:, 2:].clamp(min=LEAST)], dim=1)
    aspect = boxes[:, 2] / boxes[:, 3]
    usable = (aspect < settings.max_aspect) & (aspect > 1 / settings.max_aspect)
    boxes, overlap = boxes[usable], overlap[usable]
    if not len(boxes):
        return None
    return boxes[overlap.topk(min(settings.best, len(boxes))).indices].mean(dim=0)
