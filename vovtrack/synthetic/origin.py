"""Which program rendered something."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path


def renderer_sha256() -> str:
    """Fingerprint of the code that renders and writes, with which a result may change."""
    folder, digest = Path(__file__).parent, sha256()
    for path in sorted([*folder.glob("*.py"), *folder.glob("video_formats/*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()
