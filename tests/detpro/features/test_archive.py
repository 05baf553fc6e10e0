"""The released archive of features: what is in it becomes a bank, what is not is listed."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO

import numpy as np
import pytest
import torch

from detpro.datasets import LoadRegionFeatures
from detpro.features.archive import import_bank
from detpro.features.bank import RegionFeatureBank
from tests.places import CLIP
from vovtrack.cli.main import main
from vovtrack.errors import InputError

FOLDER = "data/lvis_clip_image_embedding/train2017"


def saved(content: object) -> bytes:
    buffer = BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def name_of(key: int) -> str:
    return f"{FOLDER}/{key:012d}.pth"


def rows_of(regions, key: int, dims: int = 64) -> torch.Tensor:
    """Random features of an image, the same each time."""
    generator = torch.Generator().manual_seed(key)
    return torch.randn(len(regions.of(key)[0]), dims, generator=generator)


@pytest.fixture
def pack(regions, tmp_path):
    """Write an archive of all images; members may be changed, left out (None) or added."""

    def write(changed: dict[str, bytes | None] | None = None, packing=zipfile.ZIP_STORED):
        members = {name_of(k): saved(rows_of(regions, k)) for k in regions.image_ids.tolist()}
        members |= changed or {}
        with zipfile.ZipFile(tmp_path / "f.zip", "w", packing) as file:
            for name, content in members.items():
                if content is not None:
                    file.writestr(name, content)
        return tmp_path / "f.zip"

    return write


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_rows_are_kept(regions, clip, tmp_path, pack, packing):
    done = import_bank(pack(None, packing), tmp_path / "b", regions, clip, images_per_shard=5)
    bank = RegionFeatureBank(tmp_path / "b")
    assert done.rows == len(regions.bboxes) and done.images == len(bank) == 12
    assert not done.missing and not done.unused and bank.header.source == "imported"
    for key in bank.image_ids:
        boxes, features = bank.of(key)
        assert np.array_equal(boxes, regions.of(key)[0])
        assert np.allclose(features, rows_of(regions, key), atol=2e-3)


def test_images_without_members_are_counted_and_listed(regions, clip, tmp_path, pack):
    """The archive comes from training on base images, the proposals of all."""
    archive = pack({name_of(3): None, name_of(7): None, name_of(999): saved(torch.zeros(2, 64))})
    done = import_bank(archive, tmp_path / "b", regions, clip, images_per_shard=5)
    assert done.missing == (3, 7) and done.images == 10 and done.unused == (name_of(999),)
    assert json.loads((tmp_path / "b/missing_images.json").read_text()) == [3, 7]
    bank = RegionFeatureBank(tmp_path / "b")
    assert 3 not in bank and 4 in bank and len(bank) == 10
    bank.check(regions=regions.fingerprint)
    load = LoadRegionFeatures(str(tmp_path / "b"))
    assert load.check_images([1, 2, 4]) == 0
    with pytest.raises(InputError, match="lacks 1 of 2 images, the first 3"):
        load.check_images([2, 3])


def test_it_resumes(regions, clip, tmp_path, pack):
    archive = pack({name_of(3): None})
    import_bank(archive, tmp_path / "b", regions, clip, images_per_shard=5)
    (tmp_path / "b/shard_00001.json").unlink()
    again = import_bank(archive, tmp_path / "b", regions, clip, images_per_shard=5)
    keys = [1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12][5:10]
    assert again.rows == sum(len(regions.of(key)[0]) for key in keys)
    assert len(RegionFeatureBank(tmp_path / "b")) == 11


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda rows: saved(rows[:-1]), "shape .* proposals have .* rows"),
        (lambda rows: saved(rows[:, :5]), "another CLIP"),
        (lambda rows: saved({"a": rows}), "has shape dict"),
        (lambda rows: saved(torch.zeros(2000, 64)), "has more than .* bytes"),
        (lambda rows: saved(rows)[:-200], "damaged"),
        (lambda rows: saved(print), "would execute 'builtins.print'"),
    ],
)
def test_a_member_that_does_not_fit(regions, clip, tmp_path, pack, content, message):
    archive = pack({name_of(3): content(rows_of(regions, 3))})
    with pytest.raises(InputError, match=f"member '{name_of(3)}'.*{message}"):
        import_bank(archive, tmp_path / "b", regions, clip)


def test_a_bomb_is_not_unpacked(regions, clip, tmp_path, pack):
    """A few kilobytes of the archive that are 64 MB of zeros."""
    archive = pack({name_of(3): bytes(64 << 20)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="has more than .* bytes"):
        import_bank(archive, tmp_path / "b", regions, clip)


def test_two_members_of_one_image(regions, clip, tmp_path, pack):
    archive = pack({"elsewhere/3.pth": saved(rows_of(regions, 3))})
    with pytest.raises(InputError, match="two members of image 3"):
        import_bank(archive, tmp_path / "b", regions, clip)


def test_an_archive_of_other_images(regions, clip, tmp_path):
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as file:
        file.writestr(name_of(999), saved(torch.zeros(2, 64)))
    with pytest.raises(InputError, match="features of none of the 12 images"):
        import_bank(tmp_path / "f.zip", tmp_path / "b", regions, clip)
    (tmp_path / "f.zip").write_text("x")
    with pytest.raises(InputError, match="cannot be read as a zip"):
        import_bank(tmp_path / "f.zip", tmp_path / "b", regions, clip)


def test_the_command(regions, tmp_path, pack, ann_file, capsys):
    regions.save(tmp_path / "r.safetensors")
    words = ["--bank", str(tmp_path / "b"), "--regions", str(tmp_path / "r.safetensors")]
    clip = ["--clip", CLIP["model"], "--clip-weights", CLIP["pretrained"], "--ann", str(ann_file)]
    archive = str(pack(dict.fromkeys(map(name_of, range(1, 8)))))
    assert main(["features", "import", archive, *words, *clip]) == 0
    said = capsys.readouterr().out
    assert "features of 5 images" in said
    assert "7 images of the proposals have no features in the archive: 1, 2, 3, 4, 5, ...;" in said
