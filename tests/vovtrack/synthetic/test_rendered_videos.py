"""Scenes as sources of videos: seeded by number, independent of how many there are."""

from __future__ import annotations

import numpy as np

from vovtrack.synthetic.classes import COLOURS
from vovtrack.synthetic.dials import Dials
from vovtrack.synthetic.rendered_videos import class_labels, colour_groups, rendered_videos
from vovtrack.synthetic.video_formats.points import sample_points


def first_frame(sources, k: int) -> np.ndarray:
    return sources[k][1]().render(0)[0]


def test_a_small_set_is_the_beginning_of_a_larger_one():
    size = dict(frames=3, width=64, height=48)
    small, large = (rendered_videos(n, **size, seed=5) for n in (2, 4))
    assert [name for name, _ in small] == [name for name, _ in large][:2]
    assert (first_frame(small, 1) == first_frame(large, 1)).all()
    other = rendered_videos(2, **size, seed=6)
    dialled = rendered_videos(2, **size, seed=5, dials=Dials(crowd=3))
    for changed in (first_frame(small, 0), first_frame(other, 1), first_frame(dialled, 1)):
        assert (changed != first_frame(small, 1)).any()


def test_groups_are_colours():
    for name, group in zip(class_labels(), colour_groups(), strict=True):
        assert name.split()[1] == COLOURS[group]


def test_points_of_a_scene_keep_their_colour():
    """Exact motion: what a point shows is nearly the same wherever it is seen."""
    quiet = Dials(blur=0, darkness=0, drift=0, occlusion=0.5)
    [(_, source)] = rendered_videos(1, 10, 256, 192, seed=2, dials=quiet)
    scene = source()
    frames, truths = zip(*(scene.render(t) for t in range(10)), strict=True)
    points = sample_points(truths, 300, np.random.default_rng(0))
    places, visible = points.follow(truths)
    x, y = np.floor(places).astype(int).transpose(2, 0, 1)
    spread, shuffled = [], []
    for p in np.flatnonzero(visible.sum(axis=1) >= 5):
        seen = np.flatnonzero(visible[p])
        colours = np.array([frames[t][y[p, t], x[p, t]] for t in seen], float)
        elsewhere = np.array([frames[t][y[p, seen[0]], x[p, seen[0]]] for t in seen], float)
        spread.append(np.median(np.abs(colours - np.median(colours, axis=0))))
        shuffled.append(np.median(np.abs(elsewhere - np.median(elsewhere, axis=0))))
    assert len(spread) > 150
    assert np.mean(spread) < 0.5 * np.mean(shuffled)
