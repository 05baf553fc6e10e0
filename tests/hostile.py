"""Files that a careless program would run, or choke on: weights and configs.

``write_weights(folder, canary)`` and ``write_configs(folder, canary)`` fill a folder and return
what they wrote. Whatever runs code leaves the file ``canary`` behind. Opened with care, each file
ends in a sentence: no code, no traceback, no memory beyond that of an honest file of its size.
"""

from __future__ import annotations

import builtins
import codecs
import io
import json
import os
import pickle
import struct
import subprocess
import tarfile
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

HUGE = 1 << 36
"""Elements of a tensor that no file here holds."""


class Call:
    """Pickles into a call of ``function(*args)``."""

    def __init__(self, function: Callable, *args: object) -> None:
        self.reduction = (function, args)

    def __reduce__(self) -> tuple:
        return self.reduction


class Built:
    """Pickles into a dict with the result of a call."""

    def __init__(self, payload: Call) -> None:
        self.payload = payload

    def __reduce__(self) -> tuple:
        return (OrderedDict, (), None, None, iter([("k", self.payload)]))


def write_weights(folder: Path, canary: Path) -> list[Path]:
    """Write every hostile weight file; names tell what they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _weights(canary):
        (folder / name).write_bytes(content)
    return sorted(path for path in folder.iterdir() if path.is_file())


def write_configs(folder: Path, canary: Path) -> list[Path]:
    """Write every hostile config that is data, and the ``.py`` files they are based on."""
    folder.mkdir(parents=True, exist_ok=True)
    touch = f"touch {canary}"
    (folder / "program.py").write_text(f"import os\nos.system({touch!r})\nmodel = dict()\n")
    bomb = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    texts = {
        "apply.yaml": f"model: !!python/object/apply:os.system ['{touch}']\n",
        "apply_eval.yml": f"model: !!python/object/apply:eval [\"open('{canary}', 'w')\"]\n",
        "new.yaml": f"model: !!python/object/new:subprocess.Popen [['touch', '{canary}']]\n",
        "name.yaml": "model: !!python/name:os.system\n",
        "module.yaml": "model: !!python/module:antigravity\n",
        "tuple_key.yaml": "? [a, b]\n: 1\n",
        "based_on_program.yaml": "_base_: program.py\n",
        "based_on_program.json": json.dumps({"_base_": ["./program.py"]}),
        "substituted_base.yaml": "_base_: '{{ fileDirname }}/program.py'\n",
        "type.yaml": f"model:\n  type: os.system\n  command: {touch}\n",
        "type.json": json.dumps({"model": [{"type": "subprocess.getoutput", "cmd": touch}]}),
        "pickle.yaml": "model: {type: mmengine.load, file: a.pkl}\n",
        "module_type.yaml": "model: {type: antigravity}\n",
        "constructor.yaml": "model: {}\noptim_wrapper: {constructor: os.system}\n",
        "imports.yaml": "model: {}\ncustom_imports: {imports: [antigravity]}\n",
        "scope.yaml": "model: {}\ndefault_scope: antigravity\n",
        "references.yaml": f"a0: &a0 [x, x, x]\n{bomb}",
        "itself.yaml": "model: &m [*m]\n",
        "deep.yaml": "[" * 100_000,
        "deep.json": "[" * 200_000 + "]" * 200_000,
        "list.json": "[1, 2]",
        "cut.json": '{"model": {',
        "empty.yaml": "",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "bytes.yaml").write_bytes(b"\xff\xfe\x00model")
    return sorted(path for path in folder.iterdir() if path.suffix != ".py")


def calls(canary: Path) -> dict[str, Call]:
    """Ways to run code while a pickle is read, by the name that a refusal has to tell."""
    touch = f"touch {canary}"
    return {
        "posix.system": Call(os.system, touch),
        "builtins.eval": Call(builtins.eval, f"open({str(canary)!r}, 'w')"),
        "builtins.exec": Call(builtins.exec, f"open({str(canary)!r}, 'w')"),
        "subprocess.Popen": Call(subprocess.Popen, ["touch", str(canary)]),
        "io.open": Call(open, str(canary), "w"),
    }


def _weights(canary: Path) -> Iterator[tuple[str, bytes]]:
    yield from _pickles(canary)
    yield from _archives()
    yield from _tensors()
    yield from _floods()
    yield from _other_formats(canary)
    yield from _truncated()
    yield from _safetensors()


def _pickles(canary: Path) -> Iterator[tuple[str, bytes]]:
    for name, call in calls(canary).items():
        for protocol in range(6):
            yield f"pickle_{name}_{protocol}.pth", pickle.dumps({"w": call}, protocol)
        nested = {"state_dict": {"w": torch.ones(2), "deep": [({"x": [call]},)]}}
        yield f"torch_{name}.pth", saved(nested)
        yield f"torch_{name}_legacy.pth", saved(nested, legacy=True)
    system = calls(canary)["posix.system"]
    yield "torch_in_state.pth", saved({"w": torch.ones(2), "meta": Built(system)})
    yield "torch_as_key.pth", saved({("k", system): torch.ones(1)})
    yield "torch_protocol_4.pth", saved({"w": torch.ones(1), "x": system}, protocol=4)
    yield "two_pickles.pth", pickle.dumps({}) + pickle.dumps(system)
    yield from _foreign(canary, system)
    command = f"touch {canary}".encode()
    yield "opcode_inst.pth", b"(S'" + command + b"'\nios\nsystem\n."
    yield "opcode_obj.pth", b"(cos\nsystem\nS'" + command + b"'\no."
    yield "opcode_old_name.pth", b"c__builtin__\neval\n(S'1'\ntR."
    yield "opcode_escape.pth", b"c\x1b[31mposix\nsystem\n(S'1'\ntR."
    yield "opcode_extension.pth", b"\x80\x02\x82\x01."
    yield "opcode_memory.pth", b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x."
    yield "opcode_memo.pth", b"\x80\x02]r\xff\xff\xff\xff."
    yield "opcode_deep.pth", b"\x80\x02" + b"]" * 300_000 + b"a" * 299_999 + b"."


def _foreign(canary: Path, system: Call) -> Iterator[tuple[str, bytes]]:
    """Pickles that name classes of a program that is not installed."""
    honest = saved({"w": torch.ones(1000)})
    thing = b"cprogram.parts\nThing\n"
    text = f"touch {canary}".encode()
    argument = b"X" + struct.pack("<I", len(text)) + text + b"\x85"
    state = b"}" + pickle.dumps("x", 2)[2:-1] + pickle.dumps(system, 2)[2:-1] + b"s"
    for name, steps in {
        "call": thing + argument + b"R",
        "call_without_arguments": thing + b")R",
        "call_of_a_made_name": b"cprogram\nThing.__new__\n" + argument + b"R",
        "call_of_an_object": thing + b")\x81" + argument + b"R",
        "inst": b"(" + argument[:-1] + b"iprogram.parts\nThing\n",
        "obj": b"(" + thing + argument[:-1] + b"o",
        "with_a_call_inside": thing + b")\x81" + state + b"b",
        "well_known": b"cantigravity\nThing\n)\x81}b",
        "without_a_name": b"c\nThing\n)\x81}b",
        "flood": b"".join(b"cprogram\nThing%d\n0" % i for i in range(70_000)) + b"}",
    }.items():
        yield f"foreign_{name}.pth", rezipped(honest, {"data.pkl": b"\x80\x02" + steps + b"."})


def _archives() -> Iterator[tuple[str, bytes]]:
    honest = saved({"w": torch.ones(1000)})
    yield "zip_packed_bomb.pth", rezipped(honest, {"data/0": bytes(1 << 26)}, packed=True)
    yield (
        "zip_packed_pickle_bomb.pth",
        rezipped(
            honest,
            {"data.pkl": b"\x80\x02X" + struct.pack("<I", 1 << 26) + bytes(1 << 26)},
            packed=True,
        ),
    )
    deep = b"\x80\x02" + b"]" * 300_000 + b"a" * 299_999 + b"."
    yield "torch_deep.pth", rezipped(honest, {"data.pkl": deep})
    nest = b"\x80\x02}K\x01" + b"q\x00h\x00\x86" * 64 + b"K\x01s."
    yield "torch_slow_key.pth", rezipped(honest, {"data.pkl": nest})
    for name, member in (
        ("up", "../../escaped"),
        ("absolute", "/tmp/escaped"),
        ("inner", "archive/../../escaped"),
    ):
        yield f"zip_path_{name}.pth", rezipped(honest, {member: b"x"})
    yield "zip_two_of_one_name.pth", rezipped(honest, {}, twice="data/0")
    yield "zip_no_pickle.pth", zipped({"archive/data/0": b"1234"})
    yield "zip_empty.pth", zipped({})
    yield (
        "zip_lying_size.pth",
        honest.replace(struct.pack("<II", 4000, 4000), struct.pack("<II", 4000, 0x7FFFFFFF)),
    )


def _tensors() -> Iterator[tuple[str, bytes]]:
    storage = torch.ones(4).untyped_storage()
    typed = torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.float32, _internal=True)

    def tensor(offset: int, size: tuple, stride: tuple) -> Call:
        return Call(torch._utils._rebuild_tensor_v2, typed, offset, size, stride, False, {})

    lies = {
        "size": tensor(0, (HUGE,), (1,)),
        "size_8_gb": tensor(0, (1 << 31,), (1,)),
        "stride_0": tensor(0, (HUGE,), (0,)),
        "stride": tensor(0, (2, 2), (1 << 40, 1)),
        "negative_stride": tensor(0, (2,), (-1,)),
        "offset": tensor(1 << 40, (1,), (1,)),
        "bytearray": Call(bytearray, 1 << 33),
        "tensor": Call(torch.Tensor, HUGE),
        "float_tensor": Call(torch.FloatTensor, HUGE),
        "untyped": Call(torch.UntypedStorage, HUGE),
    }
    for name, call in lies.items():
        for legacy in (False, True):
            suffix = "_legacy" if legacy else ""
            yield f"lying_{name}{suffix}.pth", saved({"w": call}, legacy=legacy)
    count = b"M\xe8\x03t"  # 1000 elements, end of the tuple that names a storage
    honest = saved({"w": torch.ones(1000)})
    yield "lying_storage.pth", repickled(honest, count, b"J" + struct.pack("<i", 1 << 20) + b"t")
    legacy = saved({"w": torch.ones(1000)}, legacy=True)
    assert b"M\xe8\x03N" in legacy
    yield (
        "lying_storage_legacy.pth",
        legacy.replace(b"M\xe8\x03N", b"\x8a\x06" + (1 << 42).to_bytes(6, "little") + b"N"),
    )


def _floods() -> Iterator[tuple[str, bytes]]:
    """Small files whose calls are allowed and whose work or memory is without end."""
    big = torch.zeros(1).expand(1 << 28)
    calls_ = {
        "counter": Call(Counter, big),
        "size": Call(torch.Size, big),
        "punycode": Call(codecs.encode, "ab\u00e4" * 100_000, "punycode"),
        "idna": Call(codecs.encode, "ab\u00e4" * 100_000, "idna"),
        "nested_size": Call(torch.Size, [[1] * 10]),
    }
    large = {
        "text": (codecs.encode, "x" * 300_000, "latin1"),
        "tuple": (torch.Size, (1,) * 100_000),
        "dict": (Counter, dict.fromkeys(map(str, range(15_000)), 1)),
    }
    for name, call in large.items():  # written once, copied by every call
        yield f"flood_same_{name}.pth", saved({"x": [Call(*call) for _ in range(3000)]})
    for name, call in calls_.items():
        yield f"flood_{name}.pth", saved({"w": torch.ones(1), "x": call})
    yield "flood_equal_hashes.pth", colliding(60_000)
    yield "flood_expanded.pth", saved({str(i): torch.zeros(1).expand(200_000) for i in range(300)})
    yield "flood_names.pth", saved({str(i): torch.zeros(0) for i in range(60_000)})
    entries = {str(i): ("F32", [0], [0, 0]) for i in range(60_000)}
    yield "flood_names.safetensors", safetensors_bytes(entries, b"")
    yield "flood_steps.pth", b"\x80\x02" + b")0" * 1_500_000 + b"}."


def colliding(count: int) -> bytes:
    """A pickled dict whose keys all have one hash, written without making it."""
    modulus = (1 << 61) - 1
    keys = (pickle.dumps(i * modulus, 2)[2:-1] for i in range(1, count + 1))
    return b"\x80\x02}(" + b"".join(key + b"N" for key in keys) + b"u."


def _other_formats(canary: Path) -> Iterator[tuple[str, bytes]]:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        evil = pickle.dumps(calls(canary)["posix.system"], 2)
        for name in ("pickle", "storages", "tensors", "sys_info", "../../escaped"):
            info = tarfile.TarInfo(name)
            info.size = len(evil)
            archive.addfile(info, io.BytesIO(evil))
    yield "tar.pth", packed.getvalue()
    yield "empty.pth", b""
    yield "text.pth", b"This is not a checkpoint.\n" * 50
    yield "html.pth", b"<!doctype html><title>404</title>"
    yield "wrong_magic.pth", b"\x89PNG\r\n\x1a\n" + bytes(1000)
    yield "zeros.pth", bytes(5000)
    yield "zip_magic_only.pth", b"PK\x03\x04" + bytes(100)
    yield "another_torch_magic.pth", pickle.dumps(12345, 2) * 5
    yield "empty.safetensors", b""
    yield "pickle.safetensors", pickle.dumps(calls(canary)["posix.system"])


def _truncated() -> Iterator[tuple[str, bytes]]:
    weights = {f"layer{i}.weight": torch.randn(8, 8) for i in range(8)}
    honest = {
        "pth": saved({"state_dict": weights}),
        "legacy.pth": saved({"state_dict": weights}, legacy=True),
        "safetensors": safetensors_bytes(
            {f"w{i}": ("F32", [8], [32 * i, 32 * i + 32]) for i in range(8)}, bytes(256)
        ),
    }
    for suffix, content in honest.items():
        for tenth in range(1, 10):
            yield f"cut_{tenth}0.{suffix}", content[: len(content) * tenth // 10]


def _safetensors() -> Iterator[tuple[str, bytes]]:
    one = ("F32", [2], [0, 8])
    lies = {
        "out_of_range": ({"a": ("F32", [2], [0, 1 << 40])}, bytes(8)),
        "overlap": ({"a": one, "b": ("F32", [2], [4, 12])}, bytes(12)),
        "gap": ({"a": one, "b": ("F32", [2], [16, 24])}, bytes(24)),
        "backwards": ({"a": ("F32", [2], [8, 0])}, bytes(8)),
        "negative": ({"a": ("F32", [-2], [0, 8])}, bytes(8)),
        "shape": ({"a": ("F32", [HUGE], [0, 8])}, bytes(8)),
        "overflow": ({"a": ("F32", [1 << 62, 1 << 62], [0, 8])}, bytes(8)),
        "type": ({"a": ("PYOBJ", [2], [0, 8])}, bytes(8)),
        "too_long": ({"a": one}, bytes(4000)),
    }
    for name, (header, data) in lies.items():
        yield f"lying_{name}.safetensors", safetensors_bytes(header, data)
    yield "header_length.safetensors", struct.pack("<Q", 1 << 62) + b"{}"
    yield "header_100_mb.safetensors", struct.pack("<Q", 100_000_001) + b"{}"
    deep = b'{"a":' + b"[" * 100_000
    yield "header_deep.safetensors", struct.pack("<Q", len(deep)) + deep
    entry = '"a":{"dtype":"F32","shape":[2],"data_offsets":[%d,%d]}'
    twice = ("{" + entry % (0, 8) + "," + entry % (8, 16) + "}").encode()
    yield "header_twice.safetensors", struct.pack("<Q", len(twice)) + twice + bytes(16)


def saved(content: object, legacy: bool = False, protocol: int = 2) -> bytes:
    """What ``torch.save`` writes."""
    file = io.BytesIO()
    torch.save(content, file, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def safetensors_bytes(header: dict[str, tuple], data: bytes) -> bytes:
    """A safetensors file with any header: name -> (type, shape, offsets)."""
    entries = {
        name: {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        for name, (dtype, shape, offsets) in header.items()
    }
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + data


def zipped(members: dict[str, bytes], packed: bool = False, twice: str | None = None) -> bytes:
    """An archive of any members; ``twice`` names one to write again."""
    file = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
            if twice is not None and name.endswith(twice):
                archive.fp.flush()
                info = zipfile.ZipInfo(name)
                archive.NameToInfo.pop(name)
                archive.writestr(info, content)
    return file.getvalue()


def rezipped(
    content: bytes, changed: dict[str, bytes], packed: bool = False, twice: str | None = None
) -> bytes:
    """A torch archive with other members; names without a slash at their front are inside it."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    folder = next(iter(members)).split("/")[0]
    for name, data in changed.items():
        inside = f"{folder}/{name}"
        members[inside if inside in members else name] = data
    return zipped(members, packed, twice)


def repickled(content: bytes, old: bytes, new: bytes) -> bytes:
    """A torch archive whose pickle has some of its bytes replaced."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        pickled = archive.read(name)
    assert old in pickled, pickled
    return rezipped(content, {"data.pkl": pickled.replace(old, new)})
