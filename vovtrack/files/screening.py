"""What is looked at in a checkpoint before and after it is loaded: names, sizes, checksums."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Container, Iterable
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from torch import Tensor

from vovtrack.files.pickles import Requests, read_requests

ZIP = b"PK\x03\x04"
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""The number with which torch's format before 1.6 begins."""
LEGACY_PICKLES = 5
TAR_MAGIC_AT = 257
SLACK = 16 << 20
"""Bytes by which the tensors may be larger than their file: views that repeat a small one."""
MAX_SHARING = 4
"""How often on average a byte of a file may be part of a tensor: tied weights."""


class UnsafeRequest(pickle.UnpicklingError):
    """A pickle names something that plain weights never need.

    Args:
        name: Dotted name of it.
    """

    def __init__(self, name: str) -> None:
        self.name = "".join(c if c.isprintable() else "?" for c in name)[:100]
        super().__init__(self.name)


def screen(
    file: BinaryIO, named: Container[str], called: Container[str], trusted: bool = False
) -> int:
    """Refuse a checkpoint that wants more than it should, before anything of it is loaded.

    Args:
        file: The open file; it is left at its beginning.
        named: Dotted names that its pickle may mention.
        called: Those of them that it may call.
        trusted: Let the pickle name what it likes.

    Returns:
        Size of the file in bytes.

    Raises:
        UnsafeRequest: The pickle asks for something else.
        pickle.UnpicklingError: It is not a checkpoint, or it is damaged.
        zipfile.BadZipFile: An archive whose parts are packed, wrongly named or damaged.
    """
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(TAR_MAGIC_AT + 5)
    file.seek(0)
    if not head:
        raise pickle.UnpicklingError("the file is empty")
    if head.endswith(b"ustar"):
        raise pickle.UnpicklingError("a tar archive, the format of torch before 0.1.10")
    if head.startswith(ZIP):
        with zipfile.ZipFile(file) as archive:
            records = _check_archive(archive, size)
            for pickled in (name for name in records if name.endswith("/data.pkl")):
                with archive.open(pickled) as part:
                    requests = read_requests(part)
                folder = pickled.removesuffix("data.pkl")
                _check_requests(requests, named, called, trusted)
                _check_storages(
                    requests, {f"{folder}data/{k}": k for k in requests.storages}, records
                )
            if (broken := archive.testzip()) is not None:
                raise zipfile.BadZipFile(f"the checksum of its part '{broken}' is wrong")
    else:
        _screen_legacy(file, size, named, called, trusted)
    file.seek(0)
    return size


def _screen_legacy(
    file: BinaryIO, size: int, named: Container[str], called: Container[str], trusted: bool
) -> None:
    first = read_requests(file)
    _check_requests(first, named, called, trusted)
    if first.result != LEGACY_MAGIC:
        raise pickle.UnpicklingError("a pickle, but none that torch wrote; save the tensors alone")
    for _ in range(LEGACY_PICKLES - 1):
        requests = read_requests(file)
        _check_requests(requests, named, called, trusted)
        if sum(requests.storages.values()) > size:
            raise pickle.UnpicklingError("its tensors are larger than the file")


def _check_archive(archive: zipfile.ZipFile, size: int) -> dict[str, int]:
    """Names and sizes of an archive's parts; torch packs none and puts all into one folder."""
    parts = archive.infolist()
    records = {part.filename: part.file_size for part in parts}
    if len(records) < len(parts):
        raise zipfile.BadZipFile("two of its parts have one name")
    if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
        raise zipfile.BadZipFile("its parts are compressed, which torch never does")
    if sum(records.values()) > size:
        raise zipfile.BadZipFile("its parts are larger than the file")
    paths = [PurePosixPath(name) for name in records]
    if (
        any(p.is_absolute() or ".." in p.parts for p in paths)
        or len({p.parts[0] for p in paths}) > 1
    ):
        raise zipfile.BadZipFile("its parts do not lie in one folder")
    if not any(name.endswith("/data.pkl") for name in records):
        raise zipfile.BadZipFile("it holds no 'data.pkl'")
    return records


def _check_requests(
    requests: Requests, named: Container[str], called: Container[str], trusted: bool
) -> None:
    if not trusted:
        for names, allowed in ((requests.named, named), (requests.called, called)):
            for name in names:
                if name not in allowed:
                    raise UnsafeRequest(name)
    if requests.problem is not None and not trusted:
        raise pickle.UnpicklingError(f"its pickle cannot be followed: {requests.problem}")


def _check_storages(requests: Requests, keys: dict[str, str], records: dict[str, int]) -> None:
    for record, key in keys.items():
        if requests.storages[key] > records.get(record, -1):
            raise pickle.UnpicklingError(f"a tensor is larger than its data, '{record}'")


def check_contents(content: Any, size: int) -> None:
    """Refuse loaded content whose tensors are together far larger than their file.

    Args:
        content: What was loaded: tensors in any nest of containers.
        size: Bytes of the file.

    Raises:
        pickle.UnpicklingError: They are.
    """
    waiting, seen, total = [content], set(), 0
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        if isinstance(value, Tensor):
            seen.add(id(value))
            total += value.numel() * value.element_size()
            if total > MAX_SHARING * size + SLACK:
                raise pickle.UnpicklingError(
                    f"tensors, the last of shape {tuple(value.shape)}, are larger than the file"
                )
        elif isinstance(value, dict | list | tuple | set):
            seen.add(id(value))
            waiting.extend(_items(value))


def _items(container: dict[str, Any] | list[Any] | tuple[Any, ...] | set[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container
