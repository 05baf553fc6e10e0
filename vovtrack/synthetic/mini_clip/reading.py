"""How well a mini CLIP reads crops: the classes it has never seen, and the states."""

from __future__ import annotations

import torch
from torch import Tensor

from vovtrack.models.clip.encoder import ClipEncoder
from vovtrack.synthetic.mini_clip.crops import Crops
from vovtrack.synthetic.mini_clip.views import centre_view
from vovtrack.synthetic.states import STATES

STATE_PROMPTS = {
    "clear": "a clear photo of a thing",
    "occluded": "an occluded thing",
    "truncated": "a truncated thing",
    "blurry": "a blurry photo of a thing",
    "dark": "a photo of a thing in the dark",
}


def zero_shot_accuracy(encoder: ClipEncoder, crops: Crops) -> dict[str, float | None]:
    """Classify crops by the nearest class text embedding, all classes competing.

    Returns:
        "base" and "novel" accuracy in [0, 1] (None without such crops) and "chance", 1 / C.
    """
    texts = encoder.encode(crops.names)
    images = encoder.encode_image(centre_view(crops.images, encoder.image_size))
    correct = (images @ texts.T).argmax(dim=1) == crops.labels
    novel = crops.novel[crops.labels]

    def share(of: Tensor) -> float | None:
        return float(correct[of].float().mean()) if of.any() else None

    return {"base": share(~novel), "novel": share(novel), "chance": 1 / len(crops.names)}


def state_auc(encoder: ClipEncoder, crops: Crops) -> dict[str, float]:
    """Tell crops in a state from clear ones by the cosine with its prompt less that with "clear".

    Args:
        encoder: A CLIP with the templates "name".
        crops: Crops with clear ones among them.

    Returns:
        Area under the receiver operating characteristic of each state that occurs.
    """
    texts = encoder.encode([STATE_PROMPTS[state] for state in STATES])
    images = encoder.encode_image(centre_view(crops.images, encoder.image_size))
    cosines = images @ texts.T
    scores = cosines[:, 1:] - cosines[:, :1]
    clear = crops.states[:, 0]
    return {
        state: area_under_curve(scores[crops.states[:, i + 1], i], scores[clear, i])
        for i, state in enumerate(STATES[1:])
        if crops.states[:, i + 1].any()
    }


def area_under_curve(positive: Tensor, negative: Tensor) -> float:
    """Return the probability that a positive score (P,) exceeds a negative one (Q,)."""
    pool = torch.cat([positive, negative])
    ranks = pool.argsort().argsort().double() + 1
    count = len(positive)
    return float((ranks[:count].sum() - count * (count + 1) / 2) / (count * len(negative)))
