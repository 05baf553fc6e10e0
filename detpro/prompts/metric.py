"""How well class texts name regions, base and novel classes apart."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric

from vovtrack.registry import METRICS
from vovtrack.structures import Vocabulary


@METRICS.register_module()
class RegionNamingMetric(BaseMetric):
    """Top-1 and top-5 accuracy of regions of base and of novel classes, and how sure they are.

    ``*_confidence`` is the mean largest probability, ``*_entropy`` the mean entropy in nats;
    ``background_sure`` the share of background regions that get some class with at least one
    half. Accuracies and shares are in points.

    Args:
        vocabulary: What :meth:`Vocabulary.load` takes.
    """

    default_prefix = "prompts"

    def __init__(self, vocabulary: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self.novel = torch.tensor(Vocabulary.load(vocabulary).novel)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep what matters of a batch."""
        for sample in data_samples:
            probabilities = sample["probabilities"]
            best = probabilities.topk(min(5, probabilities.shape[1]), dim=1)
            entropy = torch.special.entr(probabilities).sum(dim=1)
            kept = (sample["labels"], best.indices, best.values[:, 0], entropy)
            self.results.append(tuple(value.cpu() for value in kept))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Summarise all batches."""
        labels, best, sure, entropy = (torch.cat(c) for c in zip(*results, strict=True))
        hits = best == labels[:, None]
        known = labels >= 0
        groups = {
            "base": known & ~self.novel[labels.clamp(min=0)],
            "novel": known & self.novel[labels.clamp(min=0)],
        }
        scores = {}
        for name, rows in groups.items():
            scores[f"{name}_top1"] = 100 * hits[rows, 0].float().mean().item()
            scores[f"{name}_top5"] = 100 * hits[rows].any(dim=1).float().mean().item()
            scores[f"{name}_confidence"] = sure[rows].mean().item()
            scores[f"{name}_entropy"] = entropy[rows].mean().item()
        scores["background_sure"] = 100 * (sure[~known] >= 0.5).float().mean().item()
        return scores
