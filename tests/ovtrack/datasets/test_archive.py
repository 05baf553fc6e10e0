"""Images in HDF5 files, keyed as the released tools key them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ovtrack.datasets import ImagePairDataset
from ovtrack.datasets.archive import archive_key, find_images
from vovtrack.datasets.transforms import LoadCheckedImage
from vovtrack.errors import InputError

h5py = pytest.importorskip("h5py", reason="the extra 'hdf5' is not installed")
NAME = "frames/train/LaSOT/cup-3/frame0007.jpg"


@pytest.mark.parametrize(
    ("keys", "name", "key"),
    [
        ("lvis", NAME, "frame0007.jpg"),
        ("tao", NAME, "train/LaSOT/cup-3/frame0007.jpg"),
        ("lasot", "LaSOT/cup/cup-3/img/00007.jpg", "cup/cup-3/img/00007.jpg/raw"),
        ("bdd", "images/track/train/b1c9/b1c9-0007.jpg", "b1c9/b1c9-0007.jpg"),
        ("bdd", "images/100k/train/b1c9.jpg", "b1c9.jpg"),
        ("key", NAME, NAME),
    ],
)
def test_keys(keys, name, key):
    assert archive_key(name, keys) == key


def pack(path, root, names, keys) -> None:
    """Write images of a folder as the tools of that scheme did."""
    with h5py.File(path, "w") as file:
        for name in names:
            pixels = np.frombuffer((root / name).read_bytes(), np.uint8)
            if keys == "lasot":
                kind = h5py.vlen_dtype(np.uint8)
                file.create_dataset(archive_key(name, keys), (1,), dtype=kind)[0] = pixels
            else:
                file.create_dataset(archive_key(name, keys), data=pixels)


@pytest.fixture(scope="module")
def named(world, tmp_path_factory):
    """The pairs of the tiny world, their file names four folders deep."""
    root = tmp_path_factory.mktemp("named")
    content = json.loads((world / "pairs/annotations/train.json").read_text())
    names = []
    for image in content["images"]:
        number = image["id"]
        name = f"all/train/Source/video{image['video_id']}/frame{number:04d}.jpg"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes((world / "pairs/images" / image["file_name"]).read_bytes())
        image["file_name"] = name
        names.append(name)
    (root / "train.json").write_text(json.dumps(content))
    return root, names


def dataset(root, images, **kwargs) -> ImagePairDataset:
    return ImagePairDataset(
        ann_file=str(root / "train.json"), data_prefix=dict(img=str(images)), pipeline=[], **kwargs
    )


@pytest.mark.parametrize("keys", ["lvis", "tao", "lasot", "bdd", "key"])
def test_a_dataset_in_one_file_is_that_of_the_folder(named, tmp_path, keys):
    root, names = named
    pack(tmp_path / "images.h5", root, names, keys)
    ours = dataset(root, tmp_path / "images.h5", archive_keys=keys)
    plain = dataset(root, root)
    assert len(ours) == len(plain) > 0
    load = LoadCheckedImage()
    for index in range(3):
        found, expected = (load(dict(data.get_data_info(index)))["img"] for data in (ours, plain))
        assert np.array_equal(found, expected)


def test_images_that_the_file_lacks_are_counted(named, tmp_path):
    root, names = named
    pack(tmp_path / "some.h5", root, names[1:], "tao")
    with pytest.raises(InputError, match=rf"1 of {len(names)} images .* by archive_keys='tao'"):
        dataset(root, tmp_path / "some.h5", archive_keys="tao")
    with pytest.raises(InputError, match=r"archive_keys is 'voc', expected one of lvis, tao"):
        find_images(tmp_path / "some.h5", names, "voc")
