"""Arrays of a safetensors file, mapped: what is not looked at is not read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

_LENGTH_BYTES = 8
_DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8", "U8": "u1"}


def map_safetensors(path: str | Path) -> dict[str, NDArray[Any]]:
    """Map the arrays of a file, read-only; slices of them stay views of the file.

    Raises:
        safetensors.SafetensorError: The header does not fit the file.
        KeyError: An array of a type that numpy does not know.
    """
    with safe_open(str(path), framework="numpy") as file:  # checks the header against the file
        names = list(file.keys())
    content = np.memmap(path, np.uint8, "r").view(np.ndarray)
    start = _LENGTH_BYTES + int(content[:_LENGTH_BYTES].view("<u8")[0])
    header = json.loads(content[_LENGTH_BYTES:start].tobytes())
    arrays = {}
    for name in names:
        first, last = (start + offset for offset in header[name]["data_offsets"])
        flat = content[first:last].view(_DTYPES[header[name]["dtype"]])
        arrays[name] = flat.reshape(header[name]["shape"])
    return arrays
