"""TAP-Vid's files, queries and scores as the released evaluation reads and computes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vovtrack.evaluation import evaluate
from vovtrack.evaluation.scores.points import RASTER
from vovtrack.formats.tapvid import write_tracks
from vovtrack.formats.tapvid_videos import PointVideo, open_videos, resized
from vovtrack.structures import PointTracks
from vovtrack.structures.points import STRIDE, sample_queries

EXPECTED, SAMPLES = "data/tapvid_expected.json", "data/tapvid_samples.npz"
OURS = {
    "occlusion_accuracy": "OA",
    "average_jaccard": "AJ",
    "average_pts_within_thresh": "delta_avg",
    "aj": "AJ",
    "oa": "OA",
}
"""Their names of scores, where ours differ; of the rest ``delta_4`` is ``pts_within_4``."""


def our(name: str) -> str:
    known = name.removeprefix("delta_").isdigit()
    return OURS.get(name, name.replace("delta_", "pts_within_") if known else name)


def path_of(recorded, dataset: str) -> Path:
    """The file or folder of a dataset."""
    (path,) = (
        path
        for path in recorded.path("data").iterdir()
        if dataset in path.name and path.suffix in ("", ".pkl")
    )
    return path


def cases(recorded):
    """Every video: its dataset, the recorded arrays, and what we read."""
    samples = recorded.arrays(SAMPLES)
    for dataset, expected in recorded.json(EXPECTED).items():
        videos = open_videos(path_of(recorded, dataset))
        assert len(videos) == expected["n"]
        for number, video in enumerate(videos):
            prefix = f"{dataset}/{number}/"
            found = {k.removeprefix(prefix): samples[k] for k in samples if k.startswith(prefix)}
            yield dataset, expected, found, video


@pytest.mark.golden
def test_frames_are_resized_pixel_by_pixel(recorded):
    for _, expected, sample, video in cases(recorded):
        height, width = expected["settings"]["source_resolution"]
        frames = np.stack([resized(frame, width, height) for frame in video.frames()])
        planes = frames.transpose(0, 3, 1, 2)
        assert np.array_equal(planes[::2, :, ::16, ::16], sample["rgbs"]), video.place
        means = planes.astype(np.float32).mean(axis=(2, 3))
        assert means == pytest.approx(sample["rgb_mean"], rel=1e-5)


@pytest.mark.golden
def test_points_and_first_queries(recorded):
    for _, _, sample, video in cases(recorded):
        truth = video.truth()
        tracks = truth.points * RASTER
        queries, points = sample_queries(tracks, truth.occluded, "first")
        seen = ~truth.occluded[points].T
        assert np.array_equal(seen, sample["visible"])
        error = np.abs(tracks[points].transpose(1, 0, 2) - sample["tracks"])
        assert error[seen].max() < 1e-4, "float32 of numbers up to 256"
        assert queries == pytest.approx(sample["query_tyx"], abs=1e-9)


@pytest.mark.golden
def test_strided_queries(recorded):
    samples = recorded.arrays(SAMPLES)
    for dataset in recorded.json(EXPECTED):
        truth = open_videos(path_of(recorded, dataset))[0].truth()
        tracks = truth.points * RASTER
        queries, points = sample_queries(tracks, truth.occluded, "strided")
        want = {
            name: samples[f"{dataset}/strided_{name}"]
            for name in ("query_tyx", "trackgroup", "tracks", "occluded")
        }
        assert not (queries[:, 0] % STRIDE).any()
        assert queries == pytest.approx(want["query_tyx"], abs=1e-9)
        assert np.array_equal(points, want["trackgroup"])
        assert np.array_equal(truth.occluded[points], want["occluded"])
        assert tracks[points] == pytest.approx(want["tracks"], abs=1e-9)


def stored(folder: Path, sample: dict[str, np.ndarray], video: PointVideo) -> None:
    """Write the recorded predictions of a video."""
    tracks = sample["pred_tracks"].transpose(1, 0, 2).astype(np.float64)
    found = PointTracks(tracks, ~sample["pred_visible"].T, None)
    write_tracks(folder / f"{video.name}.npz", found)


@pytest.mark.golden
def test_scores_of_every_video_and_of_the_dataset(recorded, tmp_path):
    for dataset, _, sample, video in cases(recorded):
        stored(tmp_path / dataset, sample, video)
    for dataset, expected in recorded.json(EXPECTED).items():
        path = path_of(recorded, dataset)
        mode = expected["settings"]["query_mode"]
        report = evaluate("tapvid", path, tmp_path / dataset, mode=mode)
        for want, video in zip(expected["videos"], open_videos(path), strict=True):
            found = report["per_video"][video.name]
            for name, value in want.items():
                assert found[our(name)] / 100 == pytest.approx(value, abs=1e-9), (video.name, name)
        whole = report["summary"]["all"]
        for name, value in expected["dataset"].items():
            assert whole[our(name)] == pytest.approx(value, abs=1e-9), (dataset, name)
