"""What is looked at in a checkpoint before and after it is loaded: names, sizes, checksums."""

from __future__ import annotations

import pickle
import sys
import zipfile
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO, NamedTuple

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
MAX_CLASSES = 64
"""Classes of other programs in one file; torch looks each name up among all that are allowed."""
MADE = ".__new__"
"""End of the name of a class that is made without a call, see :class:`Requests`."""
_WELL_KNOWN = {*sys.stdlib_module_names, "torch", "numpy"}


class UnsafeRequest(pickle.UnpicklingError):
    """A pickle names something that plain weights never need.

    Args:
        name: Dotted name of it.
    """

    def __init__(self, name: str) -> None:
        self.name = "".join(c if c.isprintable() else "?" for c in name)[:100]
        super().__init__(self.name)


class ForeignObject(UnsafeRequest):
    """A pickle holds an object of a class of another program, and asks for nothing worse."""


@dataclass(frozen=True)
class Rules:
    """What a pickle may ask for.

    Attributes:
        named: Dotted names that it may mention.
        called: Those of them that it may call.
        objects: It may hold objects of other programs, for which there will be stand-ins.
        trusted: It may name what it likes.
    """

    named: Container[str]
    called: Container[str]
    objects: bool = False
    trusted: bool = False


class Screened(NamedTuple):
    """What was found out about a file.

    Attributes:
        size: In bytes.
        classes: Dotted names of the classes of other programs, none of which were looked for.
    """

    size: int
    classes: frozenset[str]


def screen(file: BinaryIO, rules: Rules) -> Screened:
    """Refuse a checkpoint that wants more than it should, before anything of it is loaded.

    Args:
        file: The open file; it is left at its beginning.
        rules: What its pickle may ask for.

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
    classes: set[str] = set()
    if head.startswith(ZIP):
        with zipfile.ZipFile(file) as archive:
            records = _check_archive(archive, size)
            for pickled in (name for name in records if name.endswith("/data.pkl")):
                with archive.open(pickled) as part:
                    requests = read_requests(part)
                folder = pickled.removesuffix("data.pkl")
                classes |= _check_requests(requests, rules)
                _check_storages(
                    requests, {f"{folder}data/{k}": k for k in requests.storages}, records
                )
            if (broken := archive.testzip()) is not None:
                raise zipfile.BadZipFile(f"the checksum of its part '{broken}' is wrong")
    else:
        classes |= _screen_legacy(file, size, rules)
    file.seek(0)
    return Screened(size, frozenset(classes))


def _screen_legacy(file: BinaryIO, size: int, rules: Rules) -> set[str]:
    first = read_requests(file)
    classes = _check_requests(first, rules)
    if first.result != LEGACY_MAGIC:
        raise pickle.UnpicklingError("a pickle, but none that torch wrote; save the tensors alone")
    for _ in range(LEGACY_PICKLES - 1):
        requests = read_requests(file)
        classes |= _check_requests(requests, rules)
        if sum(requests.storages.values()) > size:
            raise pickle.UnpicklingError("its tensors are larger than the file")
    return classes


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


def _check_requests(requests: Requests, rules: Rules) -> set[str]:
    """Refuse what is not allowed; the classes of other programs that are left."""
    if rules.trusted:
        return set()
    for name in requests.called:
        if name not in rules.called and not (name.endswith(MADE) and _is_foreign(name)):
            raise UnsafeRequest(name)
    unknown = [name for name in requests.named if name not in rules.named]
    for name in unknown:
        if not _is_foreign(name):
            raise UnsafeRequest(name)
    if requests.problem is not None:
        raise pickle.UnpicklingError(f"its pickle cannot be followed: {requests.problem}")
    if unknown and not rules.objects:
        raise ForeignObject(unknown[0])
    if len(classes := set(unknown)) > MAX_CLASSES:
        raise pickle.UnpicklingError(f"objects of more than {MAX_CLASSES} classes")
    return classes


def _is_foreign(name: str) -> bool:
    """Whether a name is of neither Python, torch nor numpy: of a program that is unknown here."""
    package = name.partition(".")[0]
    return package.isidentifier() and package not in _WELL_KNOWN


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
