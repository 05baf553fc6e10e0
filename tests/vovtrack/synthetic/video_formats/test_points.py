"""Rendered point tracks: points stick to what they are on, in pickles and in training samples."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from plain_videos import PlainVideo, plain_sources

from vovtrack.errors import InputError
from vovtrack.evaluation import evaluate
from vovtrack.files.images import read_image
from vovtrack.formats.tapvid import read_truth
from vovtrack.structures.points import sample_queries
from vovtrack.synthetic.truth import BACKGROUND, COVER
from vovtrack.synthetic.video_formats.points import sample_points
from vovtrack.synthetic.video_set import write_videos


@pytest.fixture(scope="module")
def rendered():
    pairs = [PlainVideo(4).render(frame) for frame in range(12)]
    return np.stack([image for image, _ in pairs]), [truth for _, truth in pairs]


def test_points_keep_the_colour_that_they_stick_to(rendered):
    frames, truths = rendered
    points = sample_points(truths, 400, np.random.default_rng(0))
    places, visible = points.follow(truths)
    assert visible.any(axis=1).all()
    # Object 0 moves by half pixels, which drawing rounds.
    for owner in (BACKGROUND, 1, 2):
        for p in np.flatnonzero(points.owners == owner):
            seen = np.flatnonzero(visible[p])
            x, y = np.floor(places[p, seen]).astype(int).T
            if owner == 2:  # moves by 2.5 pixels
                seen, x, y = seen[seen % 2 == 0], x[seen % 2 == 0], y[seen % 2 == 0]
            assert len(np.unique(frames[seen, y, x], axis=0)) <= 1


def test_shares_are_kept_and_small_objects_are_not_forgotten(rendered):
    _, truths = rendered
    points = sample_points(truths, 4000, np.random.default_rng(1), 0.75)
    owners, counts = np.unique(points.owners, return_counts=True)
    assert owners.tolist() == [BACKGROUND, 0, 1, 2]
    assert counts[0] / 4000 == pytest.approx(0.3, abs=0.03)
    assert counts[1:].min() > 0.6 * counts[1:].max()
    _, visible = points.follow(truths)
    assert visible[:, 0].mean() > 0.75


def test_what_is_covered_for_ever_is_one_sentence(rendered):
    _, truths = rendered
    truths[0].layers.fill(COVER)
    with pytest.raises(InputError, match="no frame shows anything"):
        sample_points(truths[:1], 4, np.random.default_rng(0))


@pytest.fixture(scope="module")
def pickled(tmp_path_factory):
    out = tmp_path_factory.mktemp("points") / "set"
    return write_videos(out, "tapvid", plain_sources(3)) / "tapvid.pkl"


def test_the_pickle_is_that_of_davis(pickled):
    content = pickle.loads(pickled.read_bytes())
    assert list(content) == ["plain-00", "plain-01", "plain-02"]
    for k, video in enumerate(content.values()):
        assert video.keys() == {"video", "points", "occluded"}
        assert video["video"].dtype == np.uint8 and video["video"].shape == (12, 64, 96, 3)
        assert (video["video"][3] == PlainVideo(k).render(3)[0]).all()
        assert video["points"].shape == (32, 12, 2) and video["points"].dtype == np.float32
        assert video["occluded"].shape == (32, 12) and video["occluded"].dtype == bool
        assert (video["points"] >= 0).all() and (video["points"] <= 1).all()
        assert not video["occluded"].all(axis=1).any() and video["occluded"].any()
    # Both numpy 1 and numpy 2 have the first of these names.
    assert b"numpy.core.multiarray" in pickled.read_bytes()
    assert b"numpy._core" not in pickled.read_bytes()


@pytest.mark.parametrize("mode", ["first", "strided"])
def test_truth_as_prediction_is_perfect(pickled, mode, tmp_path):
    arrays = {}
    for name, truth in read_truth(pickled).items():
        _, chosen = sample_queries(truth.points, truth.occluded, mode)
        arrays[f"{name}/tracks"] = truth.points[chosen] * 256
        arrays[f"{name}/occluded"] = truth.occluded[chosen]
    np.savez(tmp_path / "tracks.npz", **arrays)
    report = evaluate("tapvid", pickled, tmp_path / "tracks.npz", mode=mode)
    scores = report["summary"]["all"]
    assert (scores["AJ"], scores["delta_avg"], scores["OA"]) == (100, 100, 100)


def test_training_samples_lie_as_point_trackers_read_them(tmp_path):
    out = write_videos(tmp_path / "set", "movi", plain_sources(2))
    assert sorted(path.name for path in out.iterdir()) == ["plain-00", "plain-01"]
    sample = out / "plain-01"
    names = sorted(path.name for path in (sample / "frames").iterdir())
    assert names == [f"{k:03d}.png" for k in range(12)]
    for frame in (0, 11):
        image = read_image(sample / "frames" / names[frame])[..., ::-1]
        assert (image == PlainVideo(1).render(frame)[0]).all()
    content = np.load(sample / "plain-01.npy", allow_pickle=True).item()
    coords, hidden = content["coords"], content["visibility"]
    assert coords.shape == (512, 12, 2) and coords.dtype == np.float32
    assert hidden.shape == (512, 12) and hidden.dtype == bool
    assert 0.85 < (~hidden[:, 0]).mean() < 1
    inside = (coords >= 0).all(-1) & (coords < (96, 64)).all(-1)
    assert inside[~hidden].all() and not inside[hidden].all()


@pytest.mark.parametrize("format", ["tapvid", "movi"])
def test_a_video_larger_than_the_memory_is_one_sentence(format, tmp_path):
    long = [("v", lambda: PlainVideo(num_frames=200_000))]
    with pytest.raises(InputError, match="Video 'v': 200000 frames of 96x64 have more than"):
        write_videos(tmp_path / "set", format, long)
