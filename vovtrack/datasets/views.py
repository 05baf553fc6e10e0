"""Views: frames of one video that pass the pipeline by themselves and are learned from together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.registry import FUNCTIONS

from vovtrack.errors import InputError
from vovtrack.registry import TRANSFORMS


@TRANSFORMS.register_module()
class NearbyFrames(BaseTransform):
    """Picks the frames of a video that may be the reference of a key frame.

    They are those at most ``scope`` frames away, the key itself excepted, and the key itself if
    there are none (QDTrack, Pang et al., CVPR 2021, section 3.1).

    Args:
        scope: Largest distance, by the numbers of the frames; with 0 the key is its own
            reference, in two different augmentations.

    Raises:
        InputError: ``scope`` is negative.
    """

    def __init__(self, scope: int = 3) -> None:
        if scope < 0:
            raise InputError(f"scope is {scope}: expected a number of frames from 0.")
        self.scope = scope

    def transform(self, results: dict) -> dict:
        """Add ``picked``, positions of frames, to ``video`` and ``key``, the position of a frame.

        Args:
            results: ``video`` is a :class:`~vovtrack.structures.videos.VideoRecord`.
        """
        video, key = results["video"], results["key"]
        near = np.abs(video.numbers - video.numbers[key]) <= self.scope
        near[key] = False
        return dict(results, picked=np.flatnonzero(near).tolist() or [key])


def draw_views(item: dict, num_references: int = 1) -> list[dict]:
    """Key frame of an item and some of its ``references``, drawn with equal chances.

    None is drawn twice as long as there are enough.
    """
    key = {name: value for name, value in item.items() if name != "references"}
    places = item["references"]
    few = len(places) < num_references
    drawn = np.random.choice(len(places), num_references, replace=few)
    return [key, *(dict(places[place]) for place in drawn)]


def pack_views(views: Sequence[dict | None], require_match: bool = True) -> dict | None:
    """Join packed views; None if one was given up.

    Args:
        views: The key view, and the references.
        require_match: None also if a reference shares no object with the key.
    """
    kept = [view for view in views if view is not None]
    if len(kept) < len(views):
        return None
    if require_match:
        key, *references = (set(_ids(view)) for view in kept)
        if not all(key & ids for ids in references):
            return None
    return {name: [view[name] for view in kept] for name in ("inputs", "data_samples")}


def _ids(view: dict) -> list[int]:
    """Objects of a packed view; -1 is none."""
    ids = view["data_samples"].gt_instances.instances_ids.tolist()
    return [own for own in ids if own >= 0]


@FUNCTIONS.register_module()
def views_collate(items: list[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    """Collate B items of V views into flat lists of B * V images and samples, item after item.

    Of pairs that is key, reference, key, ...; of clips frame after frame.
    """
    return {name: [view for item in items for view in item[name]] for name in items[0]}
