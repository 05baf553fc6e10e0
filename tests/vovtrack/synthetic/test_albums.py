"""Folders of photographs: converted where they can be, named where they cannot."""

from __future__ import annotations

import io
import pickle
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from vovtrack.errors import InputError
from vovtrack.synthetic.albums import WORKING_SIDE, folder_album, packaged_album
from vovtrack.synthetic.photographs import names_of, photograph


@pytest.fixture(scope="module")
def cup() -> Image.Image:
    return Image.fromarray(photograph("coffee")).resize((240, 160))


def packed(image: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def test_packaged_albums_hold_one_split():
    album = packaged_album("test")
    assert sorted(album.names) == sorted(names_of("test"))
    assert album.fingerprint != packaged_album("train").fingerprint
    assert np.array_equal(album.read("coffee"), photograph("coffee"))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGBA", "CMYK"])
def test_pictures_of_any_mode_become_rgb(tmp_path, cup, mode):
    suffix, kind = (".jpg", "JPEG") if mode == "CMYK" else (".png", "PNG")
    image = cup.convert(mode)
    (tmp_path / f"photo{suffix}").write_bytes(packed(image, kind))
    album = folder_album(tmp_path)
    read = album.read(album.names[0])
    assert read.dtype == np.uint8 and read.shape == (160, 240, 3)
    expected = np.asarray(image.convert("RGB"), int)
    assert np.abs(read - expected).mean() < (6 if mode == "CMYK" else 1)


def test_sixteen_bits_become_eight(tmp_path, cup):
    deep = np.asarray(cup).astype(np.uint16)[..., ::-1] * 257
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    assert np.array_equal(folder_album(tmp_path).read("deep.png"), np.asarray(cup))


def test_large_photographs_are_shrunk(tmp_path, cup):
    (tmp_path / "wide.JPG").write_bytes(packed(cup.resize((3000, 600)), "JPEG"))
    (tmp_path / "strip.png").write_bytes(packed(cup.resize((6000, 40))))
    album = folder_album(tmp_path)
    assert album.read("wide.JPG").shape == (256, WORKING_SIDE, 3)
    assert album.read("strip.png").shape == (32, 4800, 3)


def test_fingerprint_follows_the_contents(tmp_path, cup):
    (tmp_path / "a.png").write_bytes(packed(cup))
    (tmp_path / "notes.txt").write_text("not a photograph")
    first = folder_album(tmp_path)
    assert first.names == ("a.png",)
    assert folder_album(tmp_path).fingerprint == first.fingerprint
    (tmp_path / "a.png").write_bytes(packed(cup.rotate(180)))
    second = folder_album(tmp_path)
    assert second.fingerprint != first.fingerprint
    assert np.array_equal(second.read("a.png"), np.asarray(cup.rotate(180)))
    with pytest.raises(InputError, match=r"a\.png' has changed"):
        first.read("a.png")


def test_albums_reach_other_processes(tmp_path, cup):
    (tmp_path / "a.png").write_bytes(packed(cup))
    for album, name in ((folder_album(tmp_path), "a.png"), (packaged_album("test"), "coffee")):
        copy = pickle.loads(pickle.dumps(album))
        assert np.array_equal(copy.read(name), album.read(name))


def bomb() -> bytes:
    """A small file whose header promises 30000 x 30000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels)


def test_what_cannot_be_used_is_named(tmp_path, cup):
    whole = packed(cup, "JPEG")
    cases = {
        "cut.jpg": (whole[: len(whole) // 2], "cut short"),
        "empty.png": (b"", "cannot be read"),
        "text.png": (b"hello", "cannot be read"),
        "bomb.png": (bomb(), "million pixels"),
        "dot.png": (packed(cup.resize((3, 2))), "3 x 2 pixels, expected 32 or more"),
    }
    (tmp_path / "good.jpg").write_bytes(whole)
    for name, (data, message) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=message) as caught:
            folder_album(tmp_path)
        assert name in str(caught.value)
        (tmp_path / name).unlink()
    assert folder_album(tmp_path).names == ("good.jpg",)


def test_folders_without_photographs_are_refused(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        folder_album(tmp_path / "missing")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match="holds no photographs"):
        folder_album(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is not a folder"):
        folder_album(tmp_path / "file")
