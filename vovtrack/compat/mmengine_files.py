"""mmengine's own reading and writing of files, replaced by that of :mod:`vovtrack.files`."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from mmengine.fileio.backends import LocalBackend
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner import runner as mmengine_runner

from vovtrack.compat import plain_yaml
from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write
from vovtrack.files.checkpoints import load_checkpoint_file, save_checkpoint


def install() -> None:
    """Make mmengine load checkpoints and YAML files as data, and write atomically."""
    mmengine_checkpoint._safe_torch_load = load_checkpoint_file
    mmengine_checkpoint.load_url = _load_url
    mmengine_checkpoint.save_checkpoint = mmengine_runner.save_checkpoint = save_checkpoint
    LocalBackend.put = _put
    LocalBackend.put_text = _put_text
    plain_yaml.install()


def _load_url(
    url: str, model_dir: str | None = None, map_location: Any = None, progress: bool = True
) -> Any:
    """Fetch a checkpoint into torch's cache, once, and load it like a local file."""
    folder = Path(model_dir or Path(torch.hub.get_dir(), "checkpoints"))
    path = folder / Path(urlparse(url).path).name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), progress=progress)
        except OSError as error:
            raise InputError(f"Checkpoint '{url}' cannot be fetched: {error}.") from None
    return load_checkpoint_file(path, map_location)


def _put(self: LocalBackend, obj: bytes, filepath: str | Path) -> None:
    """Write bytes complete or not at all."""
    with atomic_write(filepath, "wb") as file:
        file.write(obj)


def _put_text(self: LocalBackend, obj: str, filepath: str | Path, encoding: str = "utf-8") -> None:
    """Write text as :func:`_put` writes bytes."""
    _put(self, obj.encode(encoding), filepath)
