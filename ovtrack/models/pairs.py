"""Sampling the regions of an image pair on which association is learned."""

from __future__ import annotations

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from vovtrack.registry import TASK_UTILS


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
    ) -> tuple[list[Tensor], list[int], list[Tensor]]:
        """Pick regions.

        Args:
            proposals: 2B sets of proposals, key and reference in turn.
            samples: Their samples with ``gt_instances``.

        Returns:
            2B box tensors (n, 4); their lengths; B target matrices (K_b, R_b), True where a key
            and a reference region show the same object.
        """
        picked = [
            self._pick(p, s.gt_instances, is_key=i % 2 == 0)
            for i, (p, s) in enumerate(zip(proposals, samples, strict=True))
        ]
        bboxes, ids = (list(column) for column in zip(*picked, strict=True))
        targets = [key[:, None] == ref[None] for key, ref in zip(ids[0::2], ids[1::2], strict=True)]
        return bboxes, [len(b) for b in bboxes], targets

    def _pick(
        self, proposals: InstanceData, gt_instances: InstanceData, is_key: bool
    ) -> tuple[Tensor, Tensor]:
        """Boxes (n, 4) and the identities they show (n,), -1 for background."""
        priors = InstanceData(priors=proposals.bboxes)
        assigned = self.assigner.assign(priors, gt_instances)
        result = self.sampler.sample(assigned, priors, gt_instances)
        ids = gt_instances.instances_ids[result.pos_assigned_gt_inds]
        if is_key:
            return result.pos_priors, ids
        background = ids.new_full((len(result.neg_priors),), -1)
        return torch.cat([result.pos_priors, result.neg_priors]), torch.cat([ids, background])
