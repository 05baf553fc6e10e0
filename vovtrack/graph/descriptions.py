"""Embedded descriptions of scenes and objects, as the released program stores them.

Which texts and which encoder they come from was not published; files are read as they are.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vovtrack.errors import InputError
from vovtrack.files.checkpoints import load_checkpoint_file
from vovtrack.graph.detections import UNKNOWN

SCENE = "processed_data/embeddings/{name}_prompt_embedding_all.pt"
OBJECTS = "gt/instance_language_prompts/seq_inst_prompts_embeddings_128.pt"


def read_scene(folder: str | Path) -> Tensor:
    """The description (1, D) of a sequence's scene.

    Args:
        folder: Of the sequence, whose name is in that of the file.

    Raises:
        InputError: The file is missing, or holds something else.
    """
    path = Path(folder) / SCENE.format(name=Path(folder).name)
    content = load_checkpoint_file(path)
    if not isinstance(content, Tensor) or content.numel() != content.shape[-1]:
        raise InputError(f"{path}: expected one embedded description of the scene, (1, D).")
    return content.reshape(1, -1).float()


def read_objects(folder: str | Path) -> Tensor:
    """The descriptions (K, D) of a sequence's objects, by their identities.

    Args:
        folder: Of the sequence.

    Raises:
        InputError: The file is missing, or holds something else.
    """
    path = Path(folder) / OBJECTS
    content = load_checkpoint_file(path)
    try:
        rows = torch.stack([torch.as_tensor(row) for row in content])
    except (TypeError, ValueError, RuntimeError):
        rows = torch.empty(0)
    if rows.ndim != 2:
        raise InputError(f"{path}: expected embedded descriptions of objects, (K, D) or a list.")
    return rows.float()


def describe(identity: Tensor, objects: Tensor, of_unknown: int = 0) -> Tensor:
    """What is said of what detections show.

    Args:
        identity: (N,) object of each detection.
        objects: (K, D) descriptions by identity.
        of_unknown: Row for a detection of nothing known: the first in MOT17 and SportsMOT, the
            last in DanceTrack.

    Returns:
        (N, D).

    Raises:
        InputError: An object is not described.
    """
    if len(identity) and int(identity.max()) >= len(objects):
        raise InputError(
            f"Object {int(identity.max())} has no description: there are {len(objects)}, for the "
            f"objects 0 to {len(objects) - 1}. Add it, or train without descriptions of objects."
        )
    return objects[torch.where(identity == UNKNOWN, of_unknown, identity)]
