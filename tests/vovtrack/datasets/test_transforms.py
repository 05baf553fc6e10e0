"""Images that cannot be used are named."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from torch.utils.data import DataLoader

from vovtrack.datasets import LoadCheckedImage
from vovtrack.errors import InputError

HEIGHT, WIDTH = 120, 160


@pytest.fixture(scope="module")
def encoded() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def test_a_good_image_is_read_as_mmcv_reads_it(encoded, tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded)
    item = LoadCheckedImage()(dict(img_path=str(path), height=HEIGHT, width=WIDTH))
    assert np.array_equal(item["img"], cv2.imread(str(path)))
    assert item["ori_shape"] == item["img_shape"] == (HEIGHT, WIDTH)


@pytest.mark.parametrize(
    "damage", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b"no" * 99]
)
def test_an_unreadable_image_is_named(encoded, tmp_path, damage):
    path = tmp_path / "broken.jpg"
    path.write_bytes(damage(encoded))
    with pytest.raises(InputError, match=r"broken\.jpg' cannot be read"):
        LoadCheckedImage()(dict(img_path=str(path)))


def test_an_absent_image_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.jpg' cannot be read"):
        LoadCheckedImage()(dict(img_path=str(tmp_path / "none.jpg")))


def test_an_image_of_another_size_than_annotated_is_refused(encoded, tmp_path):
    path = tmp_path / "small.jpg"
    path.write_bytes(encoded)
    with pytest.raises(InputError, match=r"small\.jpg' has 160x120 .* says 320x240"):
        LoadCheckedImage()(dict(img_path=str(path), height=2 * HEIGHT, width=2 * WIDTH))


class OneBrokenImage:
    """A dataset that is nothing but an unreadable image."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> dict:
        return LoadCheckedImage()(dict(img_path=self.path))


def test_the_error_of_a_worker_process_is_still_an_input_error(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"")
    loader = DataLoader(OneBrokenImage(str(tmp_path / "broken.jpg")), num_workers=1)
    with pytest.raises(InputError, match=r"broken\.jpg' cannot be read"):
        next(iter(loader))
