"""What Track-On2 trains with otherwise: how fast clips run, which points they have, how long."""

from __future__ import annotations

import numpy as np
import pytest

from tests.point.trackon.test_golden_schedule import rates
from vovtrack.engine.run import load_config
from vovtrack.errors import InputError
from vovtrack.files.images import write_image
from vovtrack.formats.kubric import sample_file
from vovtrack.point.datasets import LoadPointClip, PickPoints

FRAMES = 10


@pytest.fixture
def sample(tmp_path):
    """A sample whose pictures and points say which frame they are of."""
    folder = tmp_path / "0001"
    (folder / "frames").mkdir(parents=True)
    for number in range(FRAMES):
        picture = np.full((8, 8, 3), number, dtype=np.uint8)
        write_image(folder / f"frames/{number:03}.png", picture)
    points = np.broadcast_to(np.arange(float(FRAMES))[None, :, None], (2, FRAMES, 2))
    occluded = np.arange(FRAMES) % 2 == np.arange(2)[:, None]
    (folder / "0001.npy").write_bytes(sample_file(points, occluded))
    return dict(sample_path=str(folder))


def test_every_second_frame_is_taken_with_its_points(sample):
    starts = set()
    for _ in range(40):
        clip = LoadPointClip(length=3, step=2).transform(dict(sample))
        numbers = [int(frame[0, 0, 0]) for frame in clip["frames"]]
        assert numbers == [numbers[0], numbers[0] + 2, numbers[0] + 4]
        np.testing.assert_array_equal(clip["points"][0, :, 0], numbers)
        np.testing.assert_array_equal(clip["visible"][0], [n % 2 == 1 for n in numbers])
        starts.add(numbers[0])
    assert len(starts) > 2
    assert len(LoadPointClip(step=2).transform(dict(sample))["frames"]) == FRAMES // 2
    with pytest.raises(InputError, match="10 frames, clips over 12"):
        LoadPointClip(length=6, step=2).transform(sample)


def test_points_of_later_frames_are_taken_and_of_others_where_they_are_few():
    visible = np.zeros((4, 8), dtype=bool)
    visible[[0, 1, 2, 3], [0, 4, 2, 7]] = True
    results = dict(points=np.arange(4.0)[:, None, None].repeat(8, 1), visible=visible)

    def chosen(**settings):
        found = PickPoints(shuffle=False, **settings).transform(dict(results))
        return found["points"][:, 0, 0].tolist()

    assert chosen(most=4) == [0]
    assert chosen(most=4, shown_in=(0, 0.5)) == [0, 1]
    assert chosen(most=4, shown_in=(0, 0.5), or_in=(0.25, 0.75)) == [0, 1, 2]
    assert chosen(most=2, shown_in=(0, 0.5), or_in=(0.25, 0.75)) == [0, 1]


def test_the_schedule_is_that_of_track_on_over_more_epochs(repository):
    """Warm-up over 1 % of the steps, then a cosine to 0."""
    cfg = load_config("trackon2_dinov2s")
    assert cfg.train_cfg.max_epochs == cfg.max_epochs == 200
    found = np.array(rates(cfg, length=20, epochs=10, base=cfg.optim_wrapper.optimizer.lr))
    assert found.argmax() == 2 and found.max() == cfg.optim_wrapper.optimizer.lr == 5e-4
    half = 2 + (len(found) - 2) // 2
    assert found[half] == pytest.approx(found.max() / 2, rel=1e-6)
    pipeline = cfg.train_dataloader.dataset.pipeline
    assert pipeline[0] == dict(type="LoadPointClip", length=48, step=2)
    assert "ReplaceBoxes" not in [step.type for step in pipeline]
