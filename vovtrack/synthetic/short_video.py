"""One clip in memory, for tests and demonstrations."""

from __future__ import annotations

import numpy as np

from vovtrack.structures import TrackSequence, Vocabulary
from vovtrack.synthetic.classes import compositions
from vovtrack.synthetic.scene import Scene, SceneRecipe


def render_clip(
    seed: int, num_frames: int, width: int = 256, height: int = 192
) -> tuple[np.ndarray, TrackSequence]:
    """Render one clip like those of the validation videos, every frame annotated.

    Args:
        seed: Seed of the clip.
        num_frames: T.
        width: Frame width in pixels.
        height: Frame height in pixels.

    Returns:
        The frames, (T, height, width, 3) uint8 RGB, and their ground truth. Its labels index the
        vocabulary of the mini world; boxes hold the visible pixels of each object.
    """
    recipe = SceneRecipe(num_frames, width, height, 0.4, 5, 8, lookalikes=0.45)
    scene = Scene(np.random.default_rng(seed), recipe)
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    truths = []
    for t in range(num_frames):
        frames[t], truth = scene.render(t)
        truths.append(truth)
    objects = np.concatenate([truth.annotated for truth in truths])
    sequence = TrackSequence(
        name=f"mini-{seed}",
        width=width,
        height=height,
        num_frames=num_frames,
        frame_ids=np.repeat(np.arange(num_frames), [len(truth.annotated) for truth in truths]),
        bboxes=np.concatenate([truth.bboxes[truth.annotated] for truth in truths]),
        track_ids=objects,
        labels=scene.labels[objects],
        scores=np.ones(len(objects), np.float32),
        vocabulary=world_vocabulary(),
    )
    return frames, sequence


def world_vocabulary() -> Vocabulary:
    """Return the classes of the mini world as a `Vocabulary`."""
    classes = compositions()
    return Vocabulary(
        names=tuple(c.name for c in classes),
        category_ids=tuple(range(1, len(classes) + 1)),
        novel=np.array([c.novel for c in classes]),
    )
