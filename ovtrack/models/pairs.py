"""Sampling the regions of an image pair on which association is learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import torch
from mmdet.models.task_modules.assigners import AssignResult
from mmengine.structures import InstanceData
from torch import Tensor

from vovtrack.errors import InputError
from vovtrack.registry import TASK_UTILS

T = TypeVar("T")


class Regions(NamedTuple):
    """Regions picked in one image, by the names of mmdet's samplers."""

    pos_priors: Tensor
    """Boxes (p, 4) that show an object."""
    pos_assigned_gt_inds: Tensor
    """Which object each of them shows, (p,)."""
    neg_priors: Tensor
    """Boxes (n, 4) of background."""


@TASK_UTILS.register_module()
class BalancedSampler:
    """Picks regions about equally often of every object, and of background by its overlap.

    Each object gives an equal part of the positives, drawn at random, or all that it has; what is
    missing is drawn from the rest. Background is divided by its overlap with objects into bins of
    equal width up to the largest overlap; each bin gives an equal part, the rest is drawn from all
    (Libra R-CNN, Pang et al., CVPR 2019). mmdet's samplers of these rules ask the device for one
    object or bin after the other, and measure the bins by the overlap of positives, so that all
    background of QDTrack falls into the first one.

    Objects themselves are regions too, after the proposals.

    Args:
        num: Regions of one image at most.
        pos_fraction: The part of them that may show objects.
        neg_pos_ub: Regions of background for each that shows an object, at most; negative for no
            limit.
        num_bins: Bins of the overlap of background; 1 draws it at random.
        background_alone: Where no region shows an object, pick background as for one that does
            (mmdet, and with it OVTrack); else nothing (vis4d).
        released_positives: Of an image with too many positives, pick what vis4d's training picks:
            the equal parts of objects are places in the list of positives that are taken for places
            in the list of all regions, most of which show no object and count as background.
    """

    def __init__(
        self,
        num: int = 256,
        pos_fraction: float = 0.5,
        neg_pos_ub: float = 3,
        num_bins: int = 1,
        background_alone: bool = False,
        released_positives: bool = False,
    ) -> None:
        self.num = num
        self.pos_fraction = pos_fraction
        self.neg_pos_ub = neg_pos_ub
        self.num_bins = num_bins
        self.background_alone = background_alone
        self.released_positives = released_positives

    def sample(
        self, assign_result: AssignResult, pred_instances: InstanceData, gt_instances: InstanceData
    ) -> Regions:
        """Pick regions of one image.

        Args:
            assign_result: Which objects the n proposals show.
            pred_instances: ``priors`` (n, 4).
            gt_instances: ``bboxes`` (G, 4).
        """
        priors = torch.cat([pred_instances.priors, gt_instances.bboxes])
        objects = torch.arange(len(gt_instances.bboxes), device=priors.device)
        # From 0; -1 is background, -2 neither.
        owners = torch.cat([assign_result.gt_inds - 1, objects])
        shows, is_background = owners >= 0, owners == -1
        # The only wait for the device.
        sizes = torch.stack([shows.sum(), is_background.sum()]).tolist()
        shown, background = _places(shows, sizes[0]), _places(is_background, sizes[1])

        num_pos = min(len(shown), int(self.num * self.pos_fraction))
        positives, mistaken = self._pick_positives(shown, owners, len(objects), num_pos)
        num_neg = self.num - num_pos
        if self.neg_pos_ub >= 0:
            num_neg = min(num_neg, int(self.neg_pos_ub * max(num_pos, int(self.background_alone))))
        negatives = background
        if num_neg < len(background):
            overlaps = assign_result.max_overlaps[background]
            negatives = background[self._pick_negatives(overlaps, num_neg)]
        return Regions(
            priors[positives], owners[positives], priors[torch.cat([mistaken, negatives])]
        )

    def _pick_positives(
        self, shown: Tensor, owners: Tensor, num_objects: int, number: int
    ) -> tuple[Tensor, Tensor]:
        """Regions picked of those ``shown`` (p,) that show objects; others picked by mistake."""
        groups = owners[shown]
        counts = _sizes(groups, num_objects)
        wanted = number // (counts > 0).sum().clamp(min=1)
        picked = pick_evenly(groups, counts, number, wanted)
        places = shown[picked]
        if not self.released_positives or number == len(shown):
            return places, places[:0]
        # What makes up for objects with few regions is drawn rightly, and last.
        wrong = torch.arange(number, device=places.device) < counts.clamp(max=wanted).sum()
        places = torch.where(wrong, picked, places)
        found = owners[places] >= 0
        return places[found], places[~found]

    def _pick_negatives(self, overlaps: Tensor, number: int) -> Tensor:
        """Places (number,) in the list of negatives (n,) of these overlaps."""
        widest = overlaps.max().clamp(min=torch.finfo(overlaps.dtype).tiny)
        bins = (overlaps / widest * self.num_bins).long().clamp(max=self.num_bins - 1)
        counts = _sizes(bins, self.num_bins)
        return pick_evenly(bins, counts, number, number // self.num_bins)


def _places(mask: Tensor, count: int) -> Tensor:
    """Places (count,) of the ``count`` true values of a mask (n,), without asking the device."""
    return mask.to(torch.uint8).argsort(descending=True, stable=True)[:count]


def _sizes(groups: Tensor, count: int) -> Tensor:
    """How many there are of each of ``count`` groups; torch's ``bincount`` asks the device."""
    return groups.new_zeros(count).scatter_add(0, groups, torch.ones_like(groups))


def pick_evenly(groups: Tensor, counts: Tensor, number: int, wanted: Tensor | int) -> Tensor:
    """Draw about equally many of every group.

    Args:
        groups: (n,) group of each.
        counts: Their sizes, of all groups.
        number: How many to draw.
        wanted: How many of a group come before those of others.

    Returns:
        Places (min(n, number),), in order where all are drawn.
    """
    if len(groups) <= number:
        return torch.arange(len(groups), device=groups.device)
    places = torch.randperm(len(groups), device=groups.device)
    groups = groups[places]
    by_group = groups.argsort(stable=True)
    rank = torch.arange(len(places), device=places.device)
    rank = rank - (counts.cumsum(0) - counts)[groups[by_group]]
    surplus = torch.empty_like(rank).index_copy(0, by_group, (rank >= wanted).to(rank.dtype))
    # Stable: those that are wanted come first, both kinds in the order drawn above.
    return places[surplus.argsort(stable=True)[:number]]


class PairSampler:
    """Assigns proposals to objects and picks regions of key and reference images.

    Source: QDTrack (Pang et al., CVPR 2021, section 3.2). Key images contribute regions that
    show an object, reference images also background.

    Args:
        assigner: Config of the assigner of proposals to objects.
        sampler: Config of the sampler of regions.
    """

    def __init__(self, assigner: dict, sampler: dict) -> None:
        self.assigner = TASK_UTILS.build(assigner)
        self.sampler = TASK_UTILS.build(sampler)

    def sample(
        self, proposals: list[InstanceData], samples: list, num_views: int = 2
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Pick regions.

        Args:
            proposals: Sets of proposals of B * num_views images, the key and the references of one
                item after the other.
            samples: Their samples with ``gt_instances``.
            num_views: A key image and its references.

        Returns:
            A box tensor (n, 4) of each image; the labels (n,) of what they show, -1 for background;
            of each pair of images, in the order of :func:`pairs_of`, a target matrix (K, R), True
            where a key and a reference region show the same object; a negative id is of none.

        Raises:
            InputError: The images are not whole items.
        """
        if len(samples) % num_views:
            raise InputError(
                f"A batch of {len(samples)} images has no whole items of {num_views}: set "
                "model.num_views to one key image and as many references as the dataset gives."
            )
        picked = [
            self._pick(p, s.gt_instances, is_key=i % num_views == 0)
            for i, (p, s) in enumerate(zip(proposals, samples, strict=True))
        ]
        bboxes, labels, ids = (list(column) for column in zip(*picked, strict=True))
        targets = [
            (key[:, None] == ref[None]) & (key[:, None] >= 0)
            for key, ref in pairs_of(ids, num_views)
        ]
        return bboxes, labels, targets

    def _pick(
        self, proposals: InstanceData, gt_instances: InstanceData, is_key: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes (n, 4), and the labels and identities they show (n,), -1 for background."""
        priors = InstanceData(priors=proposals.bboxes)
        assigned = self.assigner.assign(priors, gt_instances)
        result = self.sampler.sample(assigned, priors, gt_instances)
        shown = result.pos_assigned_gt_inds
        labels, ids = gt_instances.labels[shown], gt_instances.instances_ids[shown]
        if is_key:
            return result.pos_priors, labels, ids
        background = ids.new_full((len(result.neg_priors),), -1)
        bboxes = torch.cat([result.pos_priors, result.neg_priors])
        return bboxes, torch.cat([labels, background]), torch.cat([ids, background])


def pairs_of(images: Sequence[T], num_views: int) -> list[tuple[T, T]]:
    """Pair what belongs to each reference image with what belongs to its key image.

    Args:
        images: An entry for each image, the key and the references of one item after the other.
        num_views: A key image and its references.
    """
    return [(images[i - i % num_views], own) for i, own in enumerate(images) if i % num_views]
