"""HDF5 files of strangers: nothing is read but what lies in them, and its size is known before."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from ovtrack.datasets.archive import MAX_BYTES, Hdf5Backend, find_images
from vovtrack.errors import InputError

h5py = pytest.importorskip("h5py", reason="the extra 'hdf5' is not installed")
PIXELS = np.arange(200, dtype=np.uint8)


def read(path, key="a.jpg") -> bytes:
    return Hdf5Backend().get(f"hdf5://{path}/{key}")


def refusal(path, key="a.jpg") -> str:
    with pytest.raises(InputError) as caught:
        read(path, key)
    text = str(caught.value)
    assert str(path) in text and text.endswith(".") and "\n" not in text
    return text


@pytest.fixture
def secret(tmp_path):
    """A file of this machine that no archive may show."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["a.jpg"] = PIXELS
        file["group/a.jpg"] = PIXELS
    return tmp_path / "secret.h5"


@pytest.mark.parametrize("key", ["a.jpg", "group/a.jpg"])
@pytest.mark.parametrize("kind", ["external", "soft to external", "soft"])
def test_no_link_is_followed(tmp_path, secret, kind, key):
    path = tmp_path / "linked.h5"
    linked = key.split("/")[0]
    with h5py.File(path, "w") as file:
        file["own/a.jpg"] = PIXELS
        external = h5py.ExternalLink(str(secret), f"/{linked}")
        if kind == "external":
            file[linked] = external
        elif kind == "soft to external":
            file["elsewhere"] = external
            file[linked] = h5py.SoftLink("/elsewhere")
        else:
            file[linked] = h5py.SoftLink("/own" if "/" in key else "/own/a.jpg")
    assert "leads through a link, which is not followed" in refusal(path, key)
    with pytest.raises(InputError, match="leads through a link"):
        find_images(path, [key], "key")
    assert read(path, "own/a.jpg") == PIXELS.tobytes()


def test_no_data_of_other_files_are_read(tmp_path, secret):
    path = tmp_path / "outside.h5"
    layout = h5py.VirtualLayout(shape=(200,), dtype=np.uint8)
    layout[:] = h5py.VirtualSource(str(secret), "a.jpg", shape=(200,))
    with h5py.File(path, "w") as file:
        file.create_dataset("a.jpg", (200,), np.uint8, external=[(str(secret), 0, 200)])
        file.create_virtual_dataset("b.jpg", layout)
    for key in ("a.jpg", "b.jpg"):
        assert "lies in other files, which are not read" in refusal(path, key)


def test_other_types_are_refused(tmp_path):
    path = tmp_path / "types.h5"
    text, reference = h5py.string_dtype(), h5py.ref_dtype
    with h5py.File(path, "w") as file:
        file["number"] = np.zeros(3)
        file["wide"] = np.zeros(3, np.int64)
        file["fields"] = np.zeros(3, [("a", "u1"), ("b", "i4")])
        file["group/a"] = PIXELS
        file["type"] = np.dtype("u1")
        file.create_dataset("empty", dtype="u1", data=h5py.Empty("u1"))
        file.create_dataset("text", data="a.jpg", dtype=text)
        file.create_dataset("reference", data=file["group/a"].ref, dtype=reference)
        file.create_dataset("two", (2,), h5py.vlen_dtype(np.uint8))
        file.create_dataset("wide list", (1,), h5py.vlen_dtype(np.float64))
        names = list(file)
    for name in names:
        refusal(path, name)
    assert "'number' holds float64, expected the bytes" in refusal(path, "number")
    assert "'group' is not an image but a group" in refusal(path, "group")
    for key in ("none.jpg", "group/a/b", "..", ".", "a\0b"):
        refusal(path, key)


def test_sizes_are_compared_before_anything_is_read(tmp_path):
    path = tmp_path / "sizes.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("huge", (2**50,), np.uint8, chunks=(1000,))
        file.create_dataset("large", (MAX_BYTES + 1,), np.uint8)
        file.create_dataset("hollow", (MAX_BYTES,), np.uint8, chunks=(1000,))
        file.create_dataset("bomb", (MAX_BYTES,), np.uint8, chunks=(2**20,), compression="gzip")
        file["bomb"][: 2**22] = 0
        file["well"] = PIXELS
    program = textwrap.dedent(
        """
        import resource, sys
        from ovtrack.datasets.archive import Hdf5Backend
        backend = Hdf5Backend()
        backend.get(f"hdf5://{sys.argv[1]}/well")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for key in ("huge", "large", "hollow", "bomb"):
            try:
                backend.get(f"hdf5://{sys.argv[1]}/{key}")
            except ValueError as error:
                print(error)
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
        """
    )
    words = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    *told, grown = done.stdout.splitlines()
    for line, words in zip(
        told,
        ("claims 1,125,899,906,842,624 bytes", "may have", "holds fewer", "packed by a filter"),
        strict=True,
    ):
        assert words in line
    assert int(grown) < 20  # MiB


def test_damaged_files_are_named(tmp_path):
    whole = tmp_path / "whole.h5"
    with h5py.File(whole, "w") as file:
        for number in range(50):
            file[f"{number}.jpg"] = PIXELS
    content = whole.read_bytes()
    path = tmp_path / "damaged.h5"
    for damaged in (b"", b"not an archive", content[:100], content[: len(content) // 2]):
        path.write_bytes(damaged)
        assert "cannot be opened as an HDF5 file" in refusal(path)
    draws = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(content)
        for place in draws.integers(len(content), size=40):
            damaged[place] = draws.integers(256)
        path.write_bytes(damaged)
        backend = Hdf5Backend()
        for number in range(50):
            try:
                backend.get(f"hdf5://{path}/{number}.jpg")
            except InputError as error:
                assert str(path) in str(error)


def test_an_address_without_a_key_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not an address"):
        Hdf5Backend().get("hdf5://nothing")
