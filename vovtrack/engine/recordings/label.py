"""Points on the first frames: which there are, and putting the same ones on many."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vovtrack.engine.point_queries import Chosen
from vovtrack.engine.recordings.batch import NOTE, CameraFiles
from vovtrack.errors import InputError
from vovtrack.files.images import read_image
from vovtrack.formats.labelme import read_points, write_points


@dataclass(frozen=True)
class Labelled:
    """The points of one first frame.

    Attributes:
        image: The picture.
        names: Of its points; empty where it has none yet.
        is_new: Whether they were written now.
    """

    image: Path
    names: tuple[str, ...]
    is_new: bool


def label_images(
    work: str | Path, chosen: Chosen | None = None, camera: str | None = None
) -> list[Labelled]:
    """Look at the first frames of a work folder, and give points to those that have none.

    Labels that are there are never changed.

    Args:
        work: Folder that ``extract_recordings`` wrote.
        chosen: Points for images without any; None leaves them.
        camera: Only of this camera.

    Raises:
        InputError: No first frames, or labels that cannot be used; see
            :func:`vovtrack.formats.labelme.read_points`.
    """
    found = []
    for note in sorted(Path(work).rglob(NOTE)):
        files = CameraFiles(note.parent)
        names = [name for name in files.cameras if camera in (None, name)]
        found += [_labelled(files, name, chosen) for name in names]
    if not found:
        which = f"of camera '{camera}' " if camera else ""
        raise InputError(
            f"'{work}' has no first frames {which}to label: make them with 'vovtrack robot "
            "extract'."
        )
    return found


def _labelled(files: CameraFiles, camera: str, chosen: Chosen | None) -> Labelled:
    image, path = files.image(camera), files.labels(camera)
    height, width = read_image(image).shape[:2]
    if path.is_file():
        return Labelled(image, read_points(path, width, height).names, False)
    if chosen is None:
        return Labelled(image, (), False)
    found = chosen(width, height)
    if found.queries[:, 0].any():
        raise InputError(
            f"Labels are of the first frame, a point is of frame {found.queries[:, 0].max():.0f}: "
            "give such points to 'vovtrack robot track'."
        )
    write_points(path, image.name, width, height, found.names, found.queries[:, 1:])
    return Labelled(image, found.names, True)
