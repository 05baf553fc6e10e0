"""The feature bank: what it holds, that it resumes after a kill, and what it refuses."""

from __future__ import annotations

import json
import pickle
import shutil
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import torch

from detpro.features.bank import RegionFeatureBank, shard_is_complete
from detpro.features.encoder import RegionEncoder
from detpro.features.extract import extract_bank, verify_bank
from detpro.features.region_set import RegionSet
from tests.places import CLIP
from vovtrack.cli.main import main
from vovtrack.errors import InputError
from vovtrack.models.clip.encoder import ClipEncoder

SHARDS = 3


@pytest.fixture
def copy(bank, tmp_path):
    """A bank that a test may damage."""
    return shutil.copytree(bank, tmp_path / "bank")


def test_rows_are_the_encodings_of_the_regions(bank, regions, paths, clip):
    opened = RegionFeatureBank(bank)
    opened.check(regions.fingerprint, clip.identity)
    assert len(opened) == len(regions) == 12 and opened.header.shards == SHARDS
    for key in list(opened.image_ids)[::5]:
        boxes, features = opened.of(key)
        assert np.array_equal(boxes, regions.of(key)[0])
        image = torch.from_numpy(cv2.imread(paths[key])[:, :, ::-1].transpose(2, 0, 1).copy())
        (alone,) = RegionEncoder(clip).encode_images([image], [torch.from_numpy(boxes)])
        assert np.abs(features.astype(np.float32) - alone.numpy()).max() < 2e-3
        assert features.dtype == np.float16


def test_images_without_regions_have_no_rows(paths, clip, tmp_path):
    key = next(iter(paths))
    nothing = RegionSet.collect([(key, np.zeros((0, 4)), np.zeros(0))])
    extract_bank(tmp_path / "b", nothing, paths, RegionEncoder(clip))
    boxes, features = RegionFeatureBank(tmp_path / "b").of(key)
    assert boxes.shape == (0, 4) and features.shape == (0, clip.embed_dim)


def test_two_processes_share_the_shards(bank, regions, paths, clip, tmp_path):
    for rank in range(2):
        extract_bank(
            tmp_path / "b", regions, paths, RegionEncoder(clip), images_per_shard=5, rank=rank,
            world_size=2,
        )  # fmt: skip
        assert shard_is_complete(tmp_path / "b", 1) == (rank == 1)
    one, two = RegionFeatureBank(bank), RegionFeatureBank(tmp_path / "b")
    for key in one.image_ids:
        assert np.array_equal(one.of(key)[1], two.of(key)[1])


def test_what_a_kill_left_is_kept(regions, paths, clip, world, ann_file, tmp_path):
    regions.save(tmp_path / "regions.safetensors")
    command = [
        sys.executable, "-m", "vovtrack", "features", "extract", "--bank",
        str(tmp_path / "b"), "--ann", str(ann_file), "--images", str(world / "lvis/images"),
        "--regions", str(tmp_path / "regions.safetensors"), "--clip", CLIP["model"],
        "--clip-weights", CLIP["pretrained"], "--images-per-shard", "1",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not shard_is_complete(tmp_path / "b", 1):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = [n for n in range(12) if shard_is_complete(tmp_path / "b", n)]
    with pytest.raises(InputError, match=r"lacks \d+ of 12 shards"):
        RegionFeatureBank(tmp_path / "b")
    times = {n: (tmp_path / "b" / f"shard_{n:05d}.safetensors").stat().st_mtime_ns for n in done}
    encoder = RegionEncoder(clip)
    extract_bank(tmp_path / "b", regions, paths, encoder, images_per_shard=1)
    for number, before in times.items():
        path = tmp_path / "b" / f"shard_{number:05d}.safetensors"
        assert path.stat().st_mtime_ns == before
    assert len(RegionFeatureBank(tmp_path / "b")) == 12
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "b").iterdir()}
    unread = dict.fromkeys(paths, "nowhere.jpg")
    assert extract_bank(tmp_path / "b", regions, unread, encoder, images_per_shard=1) == 0
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "b").iterdir()}


def test_verify_agrees_and_finds_other_images(copy, paths, clip, tmp_path):
    found = verify_bank(copy, paths, RegionEncoder(clip))
    assert found["shards"] == SHARDS and found["rows"] > 10 and found["worst_cosine"] > 0.9995
    keys = list(paths)
    moved = dict(zip(keys, [paths[k] for k in keys[1:] + keys[:1]], strict=True))
    with pytest.raises(InputError, match=r"shard_0000\d.*cosine .* other images"):
        verify_bank(copy, moved, RegionEncoder(clip))


def test_a_changed_shard_is_found(copy, paths, clip):
    path = copy / "shard_00001.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"shard_00001.*not what was written: remove it"):
        verify_bank(copy, paths, RegionEncoder(clip))


@pytest.mark.parametrize("ending", ["safetensors", "json"])
def test_a_missing_shard_is_named(copy, ending):
    (copy / f"shard_00002.{ending}").unlink()
    with pytest.raises(InputError, match="lacks 1 of 3 shards, the first shard_00002.*again"):
        RegionFeatureBank(copy)


def test_a_cut_shard_is_named(copy):
    path = copy / "shard_00000.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="lacks 1 of 3 shards, the first shard_00000"):
        RegionFeatureBank(copy)


@pytest.mark.parametrize("content", ["{", "[]", '{"clip": 3}', "{}"])
def test_a_damaged_header(copy, content):
    (copy / "bank.json").write_text(content)
    with pytest.raises(InputError, match=r"bank.json' is damaged"):
        RegionFeatureBank(copy)


def test_no_bank(tmp_path):
    with pytest.raises(InputError, match="not a feature bank.*vovtrack features extract"):
        RegionFeatureBank(tmp_path)


def test_a_bank_of_something_else_is_not_filled(copy, regions, paths, clip):
    boxes = regions.bboxes.copy()
    boxes[0] += 1
    other = RegionSet(regions.image_ids, regions.offsets, boxes, regions.scores)
    with pytest.raises(InputError, match=r"made with other regions \(proposals\)"):
        extract_bank(copy, other, paths, RegionEncoder(clip), images_per_shard=5)
    with pytest.raises(InputError, match="made with other crop scales"):
        extract_bank(copy, regions, paths, RegionEncoder(clip, (1.0,)), images_per_shard=5)
    with pytest.raises(InputError, match="another regions"):
        RegionFeatureBank(copy).check(regions=other.fingerprint)


def test_a_bank_of_another_clip_is_not_used(copy, tmp_path, paths):
    header = json.loads((copy / "bank.json").read_text())
    header["clip"] = ["ViT-B-32-quickgelu", "openai"]
    (copy / "bank.json").write_text(json.dumps(header))
    with pytest.raises(InputError, match="made with another CLIP"):
        verify_bank(copy, paths, RegionEncoder(ClipEncoder(**CLIP)))


def test_images_are_decoded_ahead_of_the_encoder(regions, paths, clip, tmp_path):
    """By the first encoding all images of this small set have been asked for."""
    asked: list[int] = []

    class Asked(dict):
        def __getitem__(self, key):
            asked.append(key)
            return super().__getitem__(key)

    class Counting(RegionEncoder):
        def encode_images(self, images, bboxes):
            seen.append((len(images), len(asked)))
            return super().encode_images(images, bboxes)

    seen: list[tuple[int, int]] = []
    encoder, folder = Counting(clip), tmp_path / "b"
    extract_bank(folder, regions, Asked(paths), encoder, images_per_shard=5, crops_per_batch=64)
    assert seen[0][0] < len(paths) and seen[0][1] == len(paths)
    assert sum(count for count, _ in seen) == len(paths)


def test_regions_of_unknown_images(regions, paths, clip, tmp_path):
    some = dict(list(paths.items())[1:])
    with pytest.raises(InputError, match="1 of 12 images with regions, the first 1, are not in"):
        extract_bank(tmp_path / "b", regions, some, RegionEncoder(clip))


def test_an_unreadable_image_is_named(regions, paths, clip, tmp_path):
    broken = tmp_path / "x.jpg"
    broken.write_bytes(b"no picture")
    key = next(iter(paths))
    with pytest.raises(InputError, match=r"x.jpg' cannot be read"):
        extract_bank(tmp_path / "b", regions, {**paths, key: str(broken)}, RegionEncoder(clip))


def test_released_proposals_are_read_by_order(regions, ann_file, tmp_path):
    order = [image["id"] for image in json.loads(ann_file.read_text())["images"]]
    parts = [regions.of(key) for key in order]
    listed = [np.concatenate([boxes, scores[:, None]], axis=1) for boxes, scores in parts]
    path = tmp_path / "rpn.pkl"
    path.write_bytes(pickle.dumps(listed))
    assert RegionSet.load(path, ann_file).fingerprint == regions.fingerprint
    path.write_bytes(pickle.dumps(listed[:-1]))
    with pytest.raises(InputError, match="holds 11 entries, .* has 12 images"):
        RegionSet.load(path, ann_file)
    path.write_bytes(pickle.dumps([print]))
    with pytest.raises(InputError, match="refused"):
        RegionSet.load(path, ann_file)


def test_regions_survive_the_disk(regions, tmp_path):
    regions.save(tmp_path / "r.safetensors")
    again = RegionSet.load(tmp_path / "r.safetensors")
    assert again.fingerprint == regions.fingerprint
    (tmp_path / "r.safetensors").write_bytes(b"0" * 20)
    with pytest.raises(InputError, match="holds no regions"):
        RegionSet.load(tmp_path / "r.safetensors")
    with pytest.raises(InputError, match="Image 99 has no regions"):
        regions.of(99)


def test_the_command(repository, world, ann_file, tmp_path, capsys):
    """Proposals by the shipped detector, their bank, and its verification."""
    images, clip = ["--images", str(world / "lvis/images")], ["--clip", CLIP["model"]]
    clip += ["--clip-weights", CLIP["pretrained"]]
    ann, out = ["--ann", str(ann_file)], str(tmp_path / "p.safetensors")
    shipped = ["configs/mini/ovtrack.py", "saved_models/mini/ovtrack_mini.safetensors"]
    words = ["proposals", *shipped, *ann, *images, "--out", out, "--max-per-image", "9"]
    assert main(["features", *words]) == 0
    found = RegionSet.load(out)
    assert len(found) == 12 and len(found.bboxes) <= 108
    assert (found.bboxes >= 0).all() and (found.bboxes <= [256, 192, 256, 192]).all()
    bank = ["--bank", str(tmp_path / "bank"), *ann, *images, *clip]
    assert main(["features", "extract", *bank, "--regions", out]) == 0
    assert main(["features", "verify", *bank]) == 0
    assert "cosine mean 1.0" in capsys.readouterr().out
    assert main(["features", "extract", *bank, "--annotated", "base"]) == 2
    assert "made with other regions" in capsys.readouterr().err


def test_processes_of_torchrun_find_what_one_does(repository, world, ann_file, tmp_path):
    shipped = ["configs/mini/ovtrack.py", "saved_models/mini/ovtrack_mini.safetensors"]
    words = ["features", "proposals", *shipped, "--ann", str(ann_file), "--max-per-image", "9"]
    words += ["--images", str(world / "lvis/images"), "--out"]
    assert main([*words, str(tmp_path / "one.safetensors")]) == 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node"]
    command = [*torchrun, "2", "-m", "vovtrack", *words, str(tmp_path / "two.safetensors")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    one, two = (RegionSet.load(tmp_path / f"{n}.safetensors") for n in ("one", "two"))
    assert one.fingerprint == two.fingerprint
