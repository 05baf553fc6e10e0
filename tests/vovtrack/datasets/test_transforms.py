"""Images that cannot be used are named."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from mmengine.dataset import BaseDataset
from mmengine.logging import MMLogger
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


class Stills(BaseDataset):
    """Images of a folder, some of which cannot be read."""

    def load_data_list(self) -> list[dict]:
        return [dict(img_path=str(path)) for path in sorted(self.folder.iterdir())]

    def __init__(self, folder, **policy) -> None:
        self.folder = folder
        super().__init__(pipeline=[LoadCheckedImage(**policy), lambda item: item["img_path"]])


@pytest.fixture
def folder(encoded, tmp_path):
    """Ten images, of which two are broken."""
    images = tmp_path / "images"
    images.mkdir()
    for number in range(10):
        (images / f"{number}.jpg").write_bytes(b"cut" if number in (3, 7) else encoded)
    return images


@pytest.fixture
def log(tmp_path):
    """The log file of a run."""
    MMLogger.get_instance(f"run in {tmp_path}", log_file=str(tmp_path / "run.log"))
    return tmp_path / "run.log"


def epoch(data: Stills) -> list[str]:
    """One epoch with two data workers, as a training loads it."""
    return [path for batch in DataLoader(data, batch_size=2, num_workers=2) for path in batch]


def test_broken_images_are_skipped_and_told_once(folder, log):
    data = Stills(folder, on_broken="skip")
    paths = epoch(data) + epoch(data)
    assert len(paths) == 20, "another sample takes the place of each"
    assert not {path[-5] for path in paths} & {"3", "7"}
    told = log.read_text()
    assert told.count("3.jpg' cannot be read") == told.count("7.jpg' cannot be read") == 1
    assert "(file 1 of at most 100)" in told and "(file 2 of at most 100)" in told


def test_skipping_has_a_bound_over_all_workers(folder, log):
    with pytest.raises(InputError, match=r"[37]\.jpg' cannot be read .* and 1 others were skipped"):
        epoch(Stills(folder, on_broken="skip", max_broken=1))
    assert "(file 1 of at most 1)" in log.read_text()


def test_without_a_policy_a_broken_image_is_an_error(folder):
    with pytest.raises(InputError, match=r"3\.jpg' cannot be read"):
        epoch(Stills(folder))
    with pytest.raises(InputError, match="on_broken is 'ignore'"):
        LoadCheckedImage(on_broken="ignore")
