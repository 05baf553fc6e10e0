"""Sampling the regions of an image pair on which association is learned."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.models.task_modules.assigners import AssignResult
from mmdet.models.task_modules.samplers import RandomSampler
from mmengine.structures import InstanceData
from torch import Tensor

from vovtrack.registry import TASK_UTILS


@TASK_UTILS.register_module()
class BalancedPosSampler(RandomSampler):
    """Picks about equally many regions of every object, at random.

    Of G objects each is wanted ``round(number / G) + 1`` times. What is too much is left out, what
    is missing is taken from the other regions. The rule is that of mmdet's
    ``InstanceBalancedPosSampler``, which asks the device for the regions of one object after the
    other.
    """

    def _sample_pos(self, assign_result: AssignResult, num_expected: int, **_: Any) -> Tensor:
        """Places (n,) of at most ``num_expected`` regions."""
        places = (assign_result.gt_inds > 0).nonzero()[:, 0]
        if len(places) <= num_expected:
            return places
        places = places[torch.randperm(len(places), device=places.device)]
        owners = assign_result.gt_inds[places]
        counts = owners.new_zeros(assign_result.num_gts + 1)
        counts = counts.scatter_add(0, owners, torch.ones_like(owners))
        wanted = (num_expected / (counts > 0).sum()).round() + 1
        by_owner = owners.argsort(stable=True)
        rank = torch.arange(len(places), device=places.device)
        rank = rank - (counts.cumsum(0) - counts)[owners[by_owner]]
        surplus = torch.empty_like(rank).index_copy(0, by_owner, (rank >= wanted).to(rank.dtype))
        # Stable: those that are wanted come first, both kinds in the order drawn above.
        return places[surplus.argsort(stable=True)[:num_expected]]


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
        self, proposals: list[InstanceData], samples: list
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Pick regions.

        Args:
            proposals: 2B sets of proposals, key and reference in turn.
            samples: Their samples with ``gt_instances``.

        Returns:
            2B box tensors (n, 4); the labels (n,) of what they show, -1 for background; B target
            matrices (K_b, R_b), True where a key and a reference region show the same object.
        """
        picked = [
            self._pick(p, s.gt_instances, is_key=i % 2 == 0)
            for i, (p, s) in enumerate(zip(proposals, samples, strict=True))
        ]
        bboxes, labels, ids = (list(column) for column in zip(*picked, strict=True))
        targets = [key[:, None] == ref[None] for key, ref in zip(ids[0::2], ids[1::2], strict=True)]
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
