"""Files whose beginning is worth keeping: what a long run has written survives its end.

Such a file grows under a name that shows what it is, ``out.3f9a....partial.json`` beside
``out.json``, and takes its name when the run ends, in whatever way, under its own control. After
``kill -9`` it stays where it is.
"""

from __future__ import annotations

import re
import secrets
import time
from pathlib import Path
from typing import Any

from vovtrack.errors import InputError
from vovtrack.files.atomic import Draft, is_abandoned, shortened

_TRIES = 3
_LONGEST_PAUSE = 0.5
"""Seconds between two tries of two runs that met."""


def open_stream(path: str | Path, mode: str = "w", **open_kwargs: Any) -> Draft:
    """Begin a file that only one run at a time may write.

    Args:
        path: Destination, which is not touched before :meth:`Draft.publish`.
        mode: ``"w"`` or ``"wb"``.
        **open_kwargs: Passed on to :func:`open`.

    Raises:
        InputError: Another run, or this one, is writing a file of that name now; or see
            :func:`vovtrack.files.targets.check_target`.
        WriteError: The folder cannot be written to.
    """
    for left in reversed(range(_TRIES)):
        draft = Draft(path, mode, partial_name, **open_kwargs)
        rivals = [p for p in _partials(draft.path) if p != draft.temporary and not is_abandoned(p)]
        if not rivals:
            return draft
        draft.discard()
        if left:  # two that began in one moment give way to each other for different times
            time.sleep(_LONGEST_PAUSE * secrets.randbelow(1000) / 1000)
    raise InputError(
        f"'{path}' is being written by another run or as another output (see '{rivals[0]}'): "
        "wait, or choose another name."
    )


def abandoned_partials(path: str | Path) -> list[Path]:
    """What killed runs left of a file of this name."""
    return [partial for partial in _partials(Path(path)) if is_abandoned(partial)]


def partial_name(name: str, word: str) -> str:
    """Name of an unfinished file: one that programs recognise by its ending."""
    path = Path(name)
    return f"{shortened(path.stem)}.{word}.partial{path.suffix}"


def _partials(path: Path) -> list[Path]:
    stem, ending = re.escape(shortened(path.stem)), re.escape(path.suffix)
    pattern = re.compile(rf"{stem}\.[0-9a-f]{{16}}\.partial{ending}")
    if not path.parent.is_dir():
        return []
    return sorted(place for place in path.parent.iterdir() if pattern.fullmatch(place.name))
