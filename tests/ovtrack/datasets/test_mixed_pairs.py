"""The data of stage 3 as its config builds it, on small files of the real form."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import DefaultScope

from ovtrack.datasets import ImagePairDataset, views_collate
from ovtrack.datasets.archive import find_images
from ovtrack.datasets.twins.drawing import TwinRecipe
from ovtrack.datasets.twins.files import prepare_pairs
from vovtrack.datasets.transforms import LoadCheckedImage
from vovtrack.datasets.views import draw_views
from vovtrack.engine.run import load_config
from vovtrack.errors import InputError
from vovtrack.registry import DATASETS
from vovtrack.synthetic import write_world

CONFIG = "configs/ovtrack-teta/ovtrack_r50_reverse_without_inference{}.py"
RECIPE = TwinRecipe(min_area=24**2, min_twin_area=12**2)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    root = write_world(tmp_path_factory.mktemp("w") / "world", size="tiny", workers=1)
    lvis = root / "lvis"
    prepare_pairs(
        lvis / "annotations/train.json", lvis / "images", root / "twins", RECIPE, workers=1
    )
    return root


def stage_3(world: Path, suffix: str = "", on_broken: str = "error", **inner):
    """The dataset of a config, on the files of the world."""
    with DefaultScope.overwrite_default_scope("mmdet"):
        data = load_config(CONFIG.format(suffix)).train_dataloader.dataset
        data.mix.img_scale = (160, 120)
        data.load[0].on_broken = on_broken
        data.pipeline[3].scales = [(160, 96), (160, 120)]
        data.dataset.dataset.update(
            ann_file=str(world / "twins/annotations.json"),
            data_prefix=dict(img=str(world / "lvis/images"), twins=str(world / "twins/twins")),
        )
        data.dataset.dataset.update(inner)
        return DATASETS.build(data)


@pytest.mark.parametrize(("suffix", "identity"), [("", "position"), ("_corrected", "instance")])
def test_config_builds_its_data(repository, world, suffix, identity):
    data = stage_3(world, suffix)
    assert data.mix.identity == identity
    np.random.seed(0)
    batch = views_collate([data[0], data[len(data) - 1]])
    assert len(batch["inputs"]) == len(batch["data_samples"]) == 4
    for image, sample in zip(batch["inputs"], batch["data_samples"], strict=True):
        found = sample.gt_instances
        assert tuple(image.shape[1:]) == sample.img_shape
        assert len(found.bboxes) == len(found.instances_ids) == len(found.sources)
        assert sample.homography_matrix.shape == (4, 3, 3)


def test_equal_ids_are_the_same_object_of_the_same_tile(repository, world):
    """Labels and sources of matched boxes agree in all items, in spite of objects lost in twins."""
    data = stage_3(world, "_corrected")
    np.random.seed(1)
    shared = 0
    for index in range(len(data)):
        views = []
        for sample in data[index]["data_samples"]:
            found = sample.gt_instances
            facts = zip(found.labels.tolist(), found.sources.tolist(), strict=True)
            views.append(dict(zip(found.instances_ids.tolist(), facts, strict=True)))
        common = set(views[0]) & set(views[1])
        assert all(views[0][i] == views[1][i] for i in common)
        shared += len(common)
    assert shared > len(data)


def test_the_same_seed_draws_the_same_mosaics(repository, world):
    data = stage_3(world)

    def draw():
        np.random.seed(5)
        return data[2]

    one, two = draw(), draw()
    assert all((a == b).all() for a, b in zip(one["inputs"], two["inputs"], strict=True))
    ids = [[s.gt_instances.instances_ids.tolist() for s in d["data_samples"]] for d in (one, two)]
    assert ids[0] == ids[1]


def test_rare_classes_are_repeated(repository, world):
    with DefaultScope.overwrite_default_scope("mmdet"):
        data = stage_3(world)
        plain, images = len(data), len(data.dataset.dataset)
        data.dataset.oversample_thr = 1.0
        data.dataset._fully_initialized = False
        data.full_init()
    assert plain == images < len(data)


def plain(world: Path, **kwargs) -> ImagePairDataset:
    prefix = dict(img=str(world / "lvis/images"), twins=str(world / "twins/twins"))
    return ImagePairDataset(
        ann_file=str(world / "twins/annotations.json"), data_prefix=prefix, pipeline=[], **kwargs
    )


def test_stills_pair_with_themselves_only_if_asked(world):
    with_self, without = plain(world, include_self=True), plain(world)
    content = json.loads((world / "twins/annotations.json").read_text())
    assert len(with_self) == len(content["images"])
    frames = {video["id"]: 0 for video in content["videos"]}
    for image in content["images"]:
        frames[image["video_id"]] += 1
    assert len(without) == sum(count for count in frames.values() if count == 2)
    for index in range(len(with_self)):
        item = with_self.get_data_info(index)
        assert len(item["references"]) == frames[item["video_id"]]


def test_twin_or_self_with_equal_chances(world):
    data = plain(world, include_self=True)
    item = data.get_data_info(len(data) - 1)
    np.random.seed(0)
    own = sum(draw_views(item)[1]["img_id"] == item["img_id"] for _ in range(400))
    assert 160 < own < 240


def test_small_images_are_left_out(world):
    data = plain(world, include_self=True)
    height = data.get_data_info(0)["height"]
    kept = plain(world, include_self=True, filter_cfg=dict(min_size=height))
    assert len(kept) == len(data)
    with pytest.raises(InputError, match=f"no image has {height + 1} pixels on each side"):
        plain(world, include_self=True, filter_cfg=dict(min_size=height + 1))


def broken(world: Path, tmp_path: Path, change) -> Path:
    content = json.loads((world / "twins/annotations.json").read_text())
    change(content)
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("key", "value", "answer"),
    [
        ("category_id", 9999, "annotation 1 has category_id 9999, which is not among its cat"),
        ("image_id", 9999, "annotation 1 has image_id 9999, which is not among its images"),
        ("instance_id", -1, "image 1: 'instance_id' is -1, expected a whole number"),
        ("instance_id", 2**31, "image 1: 'instance_id' is 2147483648, expected"),
        ("instance_id", "a", "image 1: 'instance_id' is 'a', expected a whole number"),
    ],
)
def test_faulty_annotations_are_refused(world, tmp_path, key, value, answer):
    path = broken(world, tmp_path, lambda c: c["annotations"][0].update({key: value}))
    with pytest.raises(InputError, match=rf"broken\.json': {answer}"):
        ImagePairDataset(
            ann_file=str(path), data_prefix=dict(img=str(world / "lvis/images")), pipeline=[]
        )


def test_missing_twins_are_listed(world, tmp_path):
    with pytest.raises(InputError, match=r"images of '.*annotations\.json' are missing.*_v0\.jpg"):
        ImagePairDataset(
            ann_file=str(world / "twins/annotations.json"),
            data_prefix=dict(img=str(world / "lvis/images"), twins=str(tmp_path)),
            pipeline=[],
        )


def test_pairs_that_never_match_end_in_an_error(repository, world, monkeypatch):
    monkeypatch.setattr("ovtrack.datasets.pairs._MAX_DRAWS", 3)
    data = stage_3(world)
    data.pipeline.transforms[-2].min_gt_bbox_wh = (10**4, 10**4)
    with pytest.raises(InputError, match="The views of 3 pairs in a row have no object in common"):
        data[0]


def test_what_is_not_a_store_of_images_is_refused(tmp_path):
    for name in ("missing", "missing.h5", "notes.txt"):
        with pytest.raises(InputError, match=rf"{name}' is neither a folder of images nor an HDF5"):
            find_images(tmp_path / name, [])


def test_without_h5py_the_package_is_named(tmp_path):
    """In a process of its own, where the package cannot be imported."""
    (tmp_path / "twins.h5").write_bytes(b"\x89HDF")
    code = (
        "import sys\nsys.modules['h5py'] = None\n"
        "from ovtrack.datasets.archive import find_images\n"
        f"find_images({str(tmp_path / 'twins.h5')!r}, [])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr
    assert "InputError: Reading" in told and "needs the package h5py" in told


def test_a_mosaic_with_a_broken_image_may_be_skipped(repository, world, tmp_path):
    """Another one is drawn in its place."""
    images = tmp_path / "images"
    shutil.copytree(world / "lvis/images", images)
    broken = next(path for path in sorted(images.rglob("*.jpg")))
    broken.write_bytes(b"cut")
    prefix = dict(img=str(images), twins=str(world / "twins/twins"))
    data = stage_3(world, on_broken="skip", data_prefix=prefix)
    keys = [data.get_data_info(i)["img_path"] for i in range(len(data))]
    place = keys.index(str(broken))
    assert data._prepare(place) is None
    np.random.seed(0)
    assert len(data[place]["inputs"]) == 2
    with pytest.raises(InputError, match=f"{broken.name}' cannot be read"):
        stage_3(world, data_prefix=prefix)[place]


@pytest.fixture
def archive(world, tmp_path) -> Path:
    """The twins as raw JPEG bytes in one HDF5 file, as they were published."""
    h5py = pytest.importorskip("h5py", reason="the extra 'hdf5' is not installed")
    path = tmp_path / "twins.h5"
    with h5py.File(path, "w") as file:
        for image in (world / "twins/twins").iterdir():
            file.create_dataset(image.name, data=np.frombuffer(image.read_bytes(), np.uint8))
    return path


def test_twins_are_read_from_an_hdf5_file(world, archive):
    pipeline = [dict(type="mmdet.LoadCheckedImage")]
    images = []
    for twins in (world / "twins/twins", archive):
        data = ImagePairDataset(
            ann_file=str(world / "twins/annotations.json"),
            data_prefix=dict(img=str(world / "lvis/images"), twins=str(twins)),
            pipeline=pipeline,
        )
        images.append([data.pipeline(data.get_data_info(i))["img"] for i in range(len(data))])
    assert all((a == b).all() for a, b in zip(*images, strict=True))


def test_a_broken_image_in_an_hdf5_file_is_named(archive):
    import h5py

    with h5py.File(archive, "a") as file:
        file.create_dataset("bad.jpg", data=np.zeros(20, np.uint8))
    with pytest.raises(InputError, match=r"hdf5://.*twins\.h5/bad\.jpg' cannot be read"):
        LoadCheckedImage()(dict(img_path=find_images(archive, ["bad.jpg"])["bad.jpg"]))
    with pytest.raises(InputError, match=r"twins\.h5' has no image 'none\.jpg'"):
        LoadCheckedImage()(dict(img_path=f"hdf5://{archive}/none.jpg"))
