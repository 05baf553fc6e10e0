"""Every file is written through ``vovtrack.files``: read from the source, call by call."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("vovtrack", "detpro", "ovtrack", "tools")
FREE = ("vovtrack/files/", "tools/benchmarks/", "tools/gpu_check/")
"""The door itself, programs that put what they need into temporary folders, and one that runs
before the packages are installed."""
OPENERS = {"open", "fdopen", "ZipFile", "File", "TarFile"}
"""Calls that write if their mode says so; a mode that is not plain text counts as writing."""
LIBRARIES = ("", "av", "gzip", "io", "lzma", "bz2", "zipfile", "tarfile", "h5py", "os", "codecs")
"""Modules of such calls, the builtin one included; on anything else they are methods."""
WRITERS = {
    *("write_text", "write_bytes", "touch", "tofile"),  # of paths and arrays
    *("imwrite", "VideoWriter_fourcc", "imsave"),
    *("save_file", "serialize_file"),
    *("savez", "savez_compressed", "savetxt"),
    *("copyfile", "copy2", "copytree", "mkstemp", "NamedTemporaryFile"),
}
OF_MODULE = {
    ("torch", "save"), ("np", "save"), ("numpy", "save"), ("os", "replace"), ("os", "rename"),
    ("os", "open"), ("os", "link"), ("os", "symlink"), ("shutil", "move"), ("shutil", "copy"),
    ("cv2", "VideoWriter"), ("onnx", "save"),
}  # fmt: skip
ALLOWED = {
    ("detpro/prompts/ensemble.py", "torch.save"): "into a file that the door opened",
    ("vovtrack/visualization/video_writer.py", "av.open"): "into a file that the door opened",
}


def writes(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of each call that creates, replaces or changes a file by itself."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            owner, name = "", node.func.id
        elif isinstance(node.func, ast.Attribute):
            owner, name = ast.unparse(node.func.value), node.func.attr
        else:
            continue
        written = f"{owner}.{name}".lstrip(".")
        if (
            (owner, name) in OF_MODULE
            or name in WRITERS
            or name in OPENERS
            and _may_write(node, owner)
        ):
            yield node.lineno, written


def _may_write(call: ast.Call, owner: str) -> bool:
    """Whether the mode of an opening call is one of writing, or cannot be read here."""
    for keyword in call.keywords:
        if keyword.arg == "mode":
            return _is_writing(keyword.value)
    # ``open(path, "w")`` has its mode second, ``path.open("w")`` first.
    if owner in LIBRARIES:
        return len(call.args) > 1 and _is_writing(call.args[1])
    return any(isinstance(mode, ast.Constant) and _is_writing(mode) for mode in call.args[:1])


def _is_writing(mode: ast.expr) -> bool:
    if not isinstance(mode, ast.Constant):
        return True
    letters = set(str(mode.value))
    return letters <= set("rwaxbt+") and bool(letters & set("wax+"))


def test_files_are_written_through_the_door_alone():
    found, used = [], set()
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    for path in paths:
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(FREE):
            continue
        for line, call in writes(path.read_text(encoding="utf-8")):
            if (name, call) in ALLOWED:
                used.add((name, call))
            else:
                found.append(f"{name}:{line}: {call}: write through vovtrack.files instead")
    assert len(paths) > 150 and not found, "\n".join(found)
    assert used == set(ALLOWED), "an exception that nobody needs"


@pytest.mark.parametrize(
    "source",
    [
        "open(path, 'w')",
        "open(path, mode='ab')",
        "open(path, 'r+b')",
        "open(path, mode)",
        "path.open('w')",
        "gzip.open(path, 'wt')",
        "av.open(str(path), mode='w')",
        "av.open(path, 'w')",
        "zipfile.ZipFile(path, 'w')",
        "h5py.File(path, 'a')",
        "path.write_text('x')",
        "cv2.imwrite(str(path), image)",
        "cv2.VideoWriter(str(path), code, 5, size)",
        "save_file(tensors, path)",
        "safetensors.torch.save_file(tensors, path)",
        "torch.save(state, path)",
        "np.save(path, array)",
        "np.savez_compressed(path, a=array)",
        "os.replace(a, b)",
        "shutil.move(a, b)",
    ],
)
def test_a_planted_writer_is_found(source):
    assert len(list(writes(source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "open(path)",
        "open(path, 'rb')",
        "av.open(str(path))",
        "tree.open(name)",
        "Image.open('a.png')",
        "path.open()",
        "zipfile.ZipFile(path)",
        "h5py.File(path, 'r')",
        "text.replace('a', 'b')",
        "regions.save(path)",
    ],
)
def test_readers_are_left_alone(source):
    assert list(writes(source)) == []
