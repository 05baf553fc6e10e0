"""Files of data that a stranger may send: annotations, results, reports, pictures, videos, names.

Each function yields (file name, content) and names the kind; ``hostile`` has weights and configs.
"""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator

import hostile
import numpy as np

Files = Iterator[tuple[str, bytes]]


def json_files(honest: dict | list) -> Files:
    """JSON that is not JSON, or not what it should be, made from an honest content."""
    text = json.dumps(honest).encode()
    yield "empty.json", b""
    yield "cut.json", text[: len(text) // 2]
    yield "utf16.json", text.decode().encode("utf-16")
    yield "zero_bytes.json", b"\0" * 4096
    yield "deep.json", b"[" * 200_000 + b"]" * 200_000
    yield "deep_objects.json", b'{"images":' * 50_000 + b"1" + b"}" * 50_000
    yield "number.json", b"7"
    yield "list.json", b"[]"
    yield "object.json", b"{}"
    yield "text.json", b'"annotations"'
    yield "null.json", b"null"
    yield "huge_number.json", b'{"images": [' + b"9" * 5000 + b"]}"
    yield "escapes.json", json.dumps({"\x1b[2J\x07": ["\x1b]0;x\x07"]}).encode()
    yield "many_keys.json", json.dumps({str(i): i for i in range(200_000)}).encode()
    for key in honest if isinstance(honest, dict) else ():
        for number, value in enumerate((None, 7, "x", [], {}, [None], [[]], {"a": 1}, -1e308)):
            yield f"{key}_{number}.json", json.dumps({**honest, key: value}).encode()
    rows = honest.get("annotations", []) if isinstance(honest, dict) else honest
    for field in rows[0] if rows else ():
        for number, value in enumerate((None, "x", [], {}, -1, 1 << 70, 1e308, [1e308] * 4)):
            changed = [{**rows[0], field: value}, *rows[1:]]
            content = {**honest, "annotations": changed} if isinstance(honest, dict) else changed
            yield f"row_{field}_{number}.json", json.dumps(content).encode()


def packed_files() -> Files:
    """Archives that multiply, lie, or lead elsewhere."""
    yield "bomb.json.gz", gzip.compress(b" " * (1 << 28), 9)
    yield "nested.json.gz", gzip.compress(gzip.compress(b"{}"))
    yield "cut.json.gz", gzip.compress(b"{}" * 10_000)[:-20]
    yield "bomb.zip", hostile.zipped({"a.json": b" " * (1 << 28)}, packed=True)
    yield "up.zip", hostile.zipped({"../../escaped.json": b"{}"})
    yield "absolute.zip", hostile.zipped({"/tmp/escaped.json": b"{}"})
    yield "two.zip", hostile.zipped({"a.json": b"{}", "b.json": b"{}"})
    yield "cut.zip", hostile.zipped({"a.json": b"{}" * 1000})[:-30]
    many = {f"{i}.json": b"" for i in range(5000)}
    yield "many.zip", hostile.zipped(many)


def pictures() -> Files:
    """Files named like pictures that are none, or too large."""
    yield "bomb.png", png(60_000, 60_000)
    yield "wide.png", png(2_000_000, 60)
    yield "cut.png", png(64, 64)[:-20]
    yield "text.png", b"not a picture"
    yield "empty.jpg", b""
    yield "svg.png", b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>"
    yield "playlist.jpg", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"
    yield "jpeg_size.jpg", b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + bytes(50)


def videos() -> Files:
    """Files named like videos that are none, or would read other files."""
    yield "text.mp4", b"not a video\n" * 100
    yield "empty.mp4", b""
    yield "playlist.mp4", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    yield "playlist.m3u8", b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n"
    yield "concat.mp4", b"ffconcat version 1.0\nfile '/etc/passwd'\n"
    yield "concat.txt", b"ffconcat version 1.0\nfile /etc/hostname\n"
    yield "sdp.mp4", b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 1 RTP/AVP 96\n"
    yield "box.mp4", struct.pack(">I4s", 0xFFFFFFFF, b"ftyp") + b"isom" * 100
    yield "deep_boxes.mp4", b"".join(struct.pack(">I4s", 1 << 30, b"moov") for _ in range(5000))
    yield "y4m.y4m", b"YUV4MPEG2 W60000 H60000 F25:1\nFRAME\n" + bytes(1000)


def points() -> Files:
    """TAP-Vid files."""
    yield "call.pkl", pickle.dumps(hostile.Call(print, "x"))
    nest: list = [0]
    for _ in range(64):
        nest = [nest, nest]
    yield "nest.pkl", pickle.dumps({"v": nest})
    yield "colliding.pkl", hostile.colliding(100_000)
    same = dict(points=np.zeros((1, 125_000, 2), np.uint8), occluded=np.zeros((1, 125_000), bool))
    yield "same.pkl", pickle.dumps({str(i): dict(same) for i in range(1500)}, 4)
    yield "objects.pkl", pickle.dumps(np.array([{}], dtype=object))
    yield "cut.pkl", pickle.dumps({"v": {"points": np.zeros((3, 4, 2))}})[:-9]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        header = io.BytesIO()
        shape = dict(descr="<f8", fortran_order=False, shape=(1 << 25,))
        np.lib.format.write_array_header_1_0(header, shape)
        archive.writestr("v/points.npy", header.getvalue() + bytes(1 << 28))
    yield "bomb.npz", file.getvalue()
    yield "text.npz", b"not arrays"
    yield "object.npz", _npz(np.array([{}], dtype=object))


def recordings() -> Files:
    """HDF5 files of robots."""
    import h5py

    def file(fill: Callable[[h5py.File], object]) -> bytes:
        content = io.BytesIO()
        with h5py.File(content, "w") as opened:
            fill(opened)
        return content.getvalue()

    def data(file: h5py.File, shape: tuple, **options) -> h5py.Dataset:
        return file.create_dataset("images/c", shape, "u1", **options)

    def bomb(opened: h5py.File) -> None:
        frames = data(opened, (1, 48, 64, 3), chunks=(1, 48, 64, 3), compression="gzip")
        frames.id.write_direct_chunk((0, 0, 0, 0), zlib.compress(bytes(1 << 28), 9))

    honest = file(lambda f: data(f, (3, 48, 64, 3), data=np.zeros((3, 48, 64, 3), "u1")))
    yield "empty.h5", b""
    yield "text.h5", b"not a recording\n" * 99
    yield "signature.h5", honest[:8] * 500
    for tenth in range(1, 10):
        yield f"cut_{tenth}0.h5", honest[: len(honest) * tenth // 10]
    yield "nothing.h5", file(lambda f: None)
    yield "external.h5", file(lambda f: f.update(images=h5py.ExternalLink("/etc/passwd", "/")))
    yield "soft.h5", file(lambda f: f.update(images=h5py.SoftLink("/images")))
    yield "claims.h5", file(lambda f: data(f, (1 << 40, 48, 64, 3), chunks=(1, 48, 64, 3)))
    yield "wide.h5", file(lambda f: data(f, (1, 1 << 20, 1 << 20, 3), chunks=(1, 8, 8, 3)))
    whole = (1, 9000, 9000, 3)
    yield "chunk.h5", file(lambda f: data(f, (9, *whole[1:]), chunks=(9, *whole[1:])))
    yield "bomb.h5", file(bomb)
    yield "elsewhere.h5", file(lambda f: data(f, (9, 4, 4, 3), external=[("/etc/passwd", 0, 432)]))
    yield "texts.h5", file(lambda f: f.update({"images/c": np.full((2, 4, 4, 3), b"x")}))
    yield "gap.h5", file(lambda f: [f.create_group(f"step_{k}") for k in (0, 10**17)])
    yield "escape.h5", file(lambda f: f.create_group("\x1b[2J\x07"))


def class_lists() -> dict[str, str]:
    """Values of ``--classes``."""
    return {
        "blank": "",
        "commas": ",,,",
        "twice": "cat, cat",
        "long": "x" * 100_000,
        "many_words": "word " * 5000,
        "escape": "\x1b[2J\x07 cat\n",
        "zero": "c\0at",
    }


def png(width: int, height: int, rows: int = 2) -> bytes:
    """The beginning of a black PNG of any stated size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    data = zlib.compress(bytes((1 + width * 3) * rows), 9)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def _npz(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, array)
    return file.getvalue()
