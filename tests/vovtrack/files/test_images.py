"""Pictures and arrays of a few bytes that would fill the memory are refused before they do."""

from __future__ import annotations

import io
import resource
import struct
import zipfile
import zlib

import cv2
import numpy as np
import pytest

from vovtrack.datasets.transforms import LoadCheckedImage
from vovtrack.datasets.video import read_video
from vovtrack.errors import InputError
from vovtrack.files.archives import read_npz
from vovtrack.files.images import MAX_PIXELS, encode_image, read_image

SUFFIXES = (".png", ".jpg")


def png_of_size(width: int, height: int, rows: int = 200) -> bytes:
    """A black PNG whose rows are packed away, or the beginning of one."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    packer = zlib.compressobj(9)
    row = bytes(1 + width * 3)
    data = b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("side", [10_400, 20_000, 60_000])
def test_a_picture_bomb_is_refused_before_it_unfolds(side, tmp_path):
    (tmp_path / "bomb.png").write_bytes(png_of_size(side, side))
    before = peak()
    with pytest.raises(InputError, match="more than the 100 million pixels"):
        read_image(tmp_path / "bomb.png")
    with pytest.raises(InputError, match="more than the 100 million pixels"):
        LoadCheckedImage().transform(dict(img_path=str(tmp_path / "bomb.png")))
    with pytest.raises(InputError, match="None of the 1 images"):
        read_video(tmp_path)
    assert peak() - before < MAX_PIXELS  # a decoded one has three bytes for each


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_pictures_are_read_as_opencv_does(suffix, tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (31, 47, 3), np.uint8)
    path = tmp_path / f"x{suffix}"
    path.write_bytes(encode_image(image, suffix))
    assert (read_image(path) == cv2.imread(str(path))).all()
    with pytest.raises(InputError, match="pixels"):
        read_image(path, max_pixels=31 * 47 - 1)


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n" + bytes(30)])
def test_what_is_not_a_picture_is_a_sentence(content, tmp_path):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.png' cannot be read"):
        read_image(tmp_path / "x.png")
    with pytest.raises(InputError, match="none.png' cannot be read: No such file"):
        read_image(tmp_path / "none.png")


def test_arrays_within_the_limits_are_read(tmp_path):
    file = io.BytesIO()
    arrays = dict(a=np.arange(12.0).reshape(3, 4), b=np.zeros((500, 500), bool))
    np.savez_compressed(file, **arrays)
    for key, array in read_npz(file, "x").items():
        assert array.dtype == arrays[key].dtype and (array == arrays[key]).all()


def test_an_array_bomb_is_refused_before_it_unfolds():
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w") as f,
    ):
        np.lib.format.write_array_header_1_0(
            f, dict(descr="<f8", fortran_order=False, shape=(1 << 25,))
        )
        for _ in range(256):
            f.write(bytes(1 << 20))
    before = peak()
    with pytest.raises(InputError, match="unpacks to more than 200 times its size"):
        read_npz(file, "bomb.npz")
    assert peak() - before < 128 << 20
    lying = io.BytesIO()
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, dict(descr="<f8", fortran_order=False, shape=(1 << 40,))
    )
    with zipfile.ZipFile(lying, "w") as archive:
        archive.writestr("a.npy", header.getvalue() + bytes(64))
    with pytest.raises((InputError, ValueError, MemoryError)):
        read_npz(lying, "lying.npz")
