"""Detections that count by how trackable their region looks.

The same words that weigh regions in training (:class:`StateAttention`) judge them here in testing.
The published configs of VOVTrack leave this off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from detpro.models.bbox_head import RegionOutputs
from detpro.models.state_attention import StatePairs
from vovtrack.errors import InputError, one_of
from vovtrack.registry import MODELS
from vovtrack.structures import Vocabulary

BRANCHES = ("text", "image")


class Find(Protocol):
    """Detects among the regions of one image."""

    def __call__(self, probabilities: Tensor, rows: Tensor | None = None) -> InstanceData:
        """Suppress and select by probabilities (N, C + 1), of ``rows`` (n,) alone if given."""


class StateScoring(StatePairs):
    """What a region's state does to its detections.

    Args:
        branches: Whose embeddings are judged, ``text``, ``image`` or both; of both the mean counts.
        **kwargs: Of :class:`StatePairs`.

    Raises:
        InputError: An unknown branch.
    """

    def __init__(self, branches: Sequence[str] = BRANCHES, **kwargs) -> None:
        super().__init__(**kwargs)
        if not branches or set(branches) - set(BRANCHES):
            raise InputError(f"branches={tuple(branches)}: expected some of {BRANCHES}.")
        self.branches = tuple(branches)

    def set_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Score these classes from now on."""

    def judge(self, outputs: RegionOutputs) -> Tensor:
        """Probability (N,) that regions are in a favourable state.

        Raises:
            InputError: The image branch is to be judged, and the detector has none.
        """
        embeds = dict(text=outputs.text_embeds, image=outputs.image_embeds)
        judged = []
        for name in self.branches:
            if (rows := embeds[name]) is None:
                raise InputError(
                    f"The state scoring judges the {name} branch, which this detector does not "
                    "have: set model.roi_head.state_scoring.branches=('text',)."
                )
            judged.append(self.probability(rows))
        return torch.stack(judged).mean(dim=0)

    def detect(self, find: Find, probabilities: Tensor, states: Tensor) -> InstanceData:
        """Detections of one image.

        Args:
            find: Detects by probabilities.
            probabilities: (N, C + 1) of its regions.
            states: (N,) of :meth:`judge`.
        """
        raise NotImplementedError


@MODELS.register_module()
class StateWeighting(StateScoring):
    """Multiplies class probabilities of a region by the probability of a favourable state.

    Args:
        scale: Further factor of the probabilities that are multiplied.
        classes: ``all`` classes, or only ``novel`` ones.
        two_stage: Take the detections of base classes from the untouched probabilities, and only
            those of novel classes from the weighted ones.
        **kwargs: Of :class:`StateScoring`.

    Raises:
        InputError: An unknown choice of classes.
    """

    novel: Tensor

    def __init__(
        self,
        scale: float = 1.0,
        classes: Literal["all", "novel"] = "all",
        two_stage: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        one_of("classes", classes, ("all", "novel"))
        self.scale = scale
        self.classes = classes
        self.two_stage = two_stage
        self.register_buffer("novel", torch.empty(0, dtype=torch.bool), persistent=False)

    def set_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Score these classes from now on."""
        self.novel = torch.tensor(vocabulary.novel).to(self.novel.device)

    def detect(self, find: Find, probabilities: Tensor, states: Tensor) -> InstanceData:
        """Detections of one image, see :meth:`StateScoring.detect`."""
        weighted = find(self.weigh(probabilities, states))
        if not self.two_stage:
            return weighted
        plain = find(probabilities)
        both = [plain[~self.novel[plain.labels]], weighted[self.novel[weighted.labels]]]
        joined = InstanceData.cat(both)
        order = joined.scores.argsort(descending=True, stable=True)
        return joined[order[: max(len(plain), len(weighted))]]

    def weigh(self, probabilities: Tensor, states: Tensor) -> Tensor:
        """Probabilities (N, C + 1) after weighting; the background stays."""
        factors = torch.ones_like(probabilities)
        chosen = torch.ones_like(self.novel) if self.classes == "all" else self.novel
        factors[:, :-1] = torch.where(chosen, self.scale * states[:, None], 1.0)
        return probabilities * factors


@MODELS.register_module()
class StateGate(StateScoring):
    """Leaves out regions that do not look trackable; the others keep their scores.

    Args:
        threshold: Regions whose probability of a favourable state is not larger are left out.
        drop_share: Leave out this share of the regions of an image instead, those with the smallest
            probabilities.
        **kwargs: Of :class:`StateScoring`.
    """

    def __init__(self, threshold: float = 0.0, drop_share: float | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.threshold = threshold
        self.drop_share = drop_share

    def detect(self, find: Find, probabilities: Tensor, states: Tensor) -> InstanceData:
        """Detections of one image, see :meth:`StateScoring.detect`."""
        if self.drop_share is None:
            rows = (states > self.threshold).nonzero()[:, 0]
        else:
            rows = states.argsort(stable=True)[int(self.drop_share * len(states)) :].sort().values
        return find(probabilities, rows)
