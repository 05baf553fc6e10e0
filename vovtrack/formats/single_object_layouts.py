"""Where the files of a single-object benchmark lie, found by their names.

========== ================================== ============================= ======================
benchmark  boxes                              images                        no target where
========== ================================== ============================= ======================
OTB        ``S/groundtruth_rect.txt``         ``S/img``                     the box is empty
LaSOT(ext) ``C/S/groundtruth.txt``            ``C/S/img``                   full_occlusion.txt or
                                                                            out_of_view.txt say 1
GOT-10k    ``S/groundtruth.txt``              ``S``                         cover.label says 0 or
                                                                            absence.label 1
VOT        ``S/groundtruth.txt``              ``S/color`` or ``S``          the box is NaN or empty
UAV123     ``anno/UAV123/S.txt``              ``data_seq/UAV123/S``         the box is NaN
TrackingNet ``TRAIN_0/anno/S.txt``            ``TRAIN_0/frames/S``          the box is empty
NfS        ``anno/S.txt``, ``S/30/S.txt``     ``sequences/S``, ``S/30/S``   the row says lost
any        ``S.txt``                          none                          the box is empty
========== ================================== ============================= ======================

``S`` is the sequence, ``C`` its class. A box is empty if its width or height is not above 0; NaN is
no box anywhere. OTB numbers the targets of a sequence with several: ``Jogging_1``. Parts of a video
of UAV123 are cut as its ``configSeqs.m`` says, and five sequences of OTB as its authors say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vovtrack.errors import InputError
from vovtrack.files.archives import FileTree
from vovtrack.files.images import IMAGE_SUFFIXES

_HOME = r"(?P<home>(?:.*/)?(?P<name>[^/]+))"
_ROOT = r"(?P<root>(?:.*/)?)"
_LAYOUTS = tuple(
    (re.compile(pattern), folders)
    for pattern, folders in (
        (rf"{_HOME}/groundtruth_rect(?:\.(?P<target>\d))?\.txt", ("{home}/img",)),
        (rf"{_HOME}/groundtruth\.txt", ("{home}/img", "{home}/color", "{home}")),
        (
            rf"{_ROOT}anno/(?P<set>UAV\w+)/(?P<name>[^/]+)\.txt",
            ("{root}data_seq/{set}/{name}", "{root}data_seq/UAV123/{name}"),
        ),
        (rf"{_ROOT}anno/(?P<name>[^/]+)\.txt", ("{root}frames/{name}", "{root}sequences/{name}")),
        (r"(?P<home>(?:.*/)?(?P<name>[^/]+)/30)/(?P=name)\.txt", ("{home}/{name}",)),
        (r"(?:.*/)(?P<name>[^/]+)\.txt", ()),
    )
)
_OTB_PARTS = {
    "David": (300, 770),
    "Diving": (1, 215),
    "Football1": (1, 74),
    "Freeman3": (1, 460),
    "Freeman4": (1, 283),
}
_UAV_PART = re.compile(
    r"'name','([^']+)','path','[^']*?([^'\\/]+)[\\/]*','startFrame',(\d{1,9}),'endFrame',(\d{1,9})"
)
_LISTS = {"list.txt", "testing_set.txt", "training_set.txt"}


@dataclass(frozen=True)
class SequenceFiles:
    """The files of one sequence, by their names below the root.

    Attributes:
        name: Of the sequence.
        boxes: File of its boxes.
        folders: Where its images may lie.
    """

    name: str
    boxes: str
    folders: tuple[str, ...]

    @property
    def home(self) -> str:
        """Start of the names of the files beside the boxes, empty or with a slash at its end."""
        return self.boxes[: self.boxes.rfind("/") + 1]

    def attribute_files(self) -> Iterable[str]:
        """Where a row of flags may lie that says which attributes the sequence has."""
        above = self.home.rstrip("/").rpartition("/")[0]
        roots = dict.fromkeys(("", self.home, f"{above}/" if above else ""))
        folders = ("anno/att", "annos/att", "att")
        return (f"{root}{folder}/{self.name}.txt" for root in roots for folder in folders)


def find_sequences(tree: FileTree) -> list[SequenceFiles]:
    """The sequences of a folder or ``.zip``, in the order of their names.

    Raises:
        InputError: There is none, or two have one name.
    """
    root = tree.path.stem  # a name for the sequence whose folder is the root itself
    names = [name for name in tree.names(".txt") if PurePosixPath(name).name not in _LISTS]
    for pattern, folders in _LAYOUTS:
        matches = [(name, pattern.fullmatch(f"{root}/{name}")) for name in names]
        if any(match for _, match in matches):
            return _named(tree, matches, folders)
    raise InputError(
        f"{tree.path}: found no <sequence>/groundtruth.txt, no <sequence>/groundtruth_rect.txt, no "
        "anno/<sequence>.txt and no <sequence>.txt."
    )


def _named(
    tree: FileTree, matches: list[tuple[str, re.Match[str] | None]], folders: tuple[str, ...]
) -> list[SequenceFiles]:
    found: dict[str, SequenceFiles] = {}
    for name, match in matches:
        if match is None:
            continue
        words = match.groupdict()
        own = "_".join(filter(None, (words["name"], words.get("target"))))
        if own in found:
            raise InputError(
                f"{tree.path}: '{found[own].boxes}' and '{name}' are of one sequence, '{own}'."
            )
        places = tuple(folder.format(**words).partition("/")[2] for folder in folders)
        found[own] = SequenceFiles(own, name, places)
    return [found[name] for name in sorted(found)]


def list_images(root: Path, files: SequenceFiles, boxes: int) -> tuple[str, ...]:
    """The images of a sequence in order of time, by their names below ``root``.

    Args:
        root: Folder of the benchmark.
        files: The sequence.
        boxes: Number of its boxes, which tells parts of one name apart.

    Raises:
        InputError: There are none.
    """
    for folder in files.folders:
        if images := _images(root, folder):
            start, end = _OTB_PARTS.get(files.name, (0, 0))
            if "groundtruth_rect" in files.boxes and len(images) != boxes and end:
                images = images[start - 1 : end]
            return images
    if images := _uav_part(root, files, boxes):
        return images
    looked = " or ".join(f"'{folder or '.'}'" for folder in files.folders) or "any folder"
    raise InputError(f"{root}/{files.boxes}: found no images of this sequence in {looked}.")


def _uav_part(root: Path, files: SequenceFiles, boxes: int) -> tuple[str, ...]:
    """Images of a sequence of UAV123 that is a part of a video."""
    if "/UAV" not in f"/{files.boxes}":
        return ()
    config = next(iter(sorted(root.rglob("configSeqs.m"))), None)
    if config is None:
        return ()
    text = config.read_text(encoding="utf-8", errors="replace")
    for name, video, start, end in _UAV_PART.findall(re.sub(r"\s", "", text)):
        if name == files.name and int(end) - int(start) + 1 == boxes:
            for folder in files.folders:
                parent = folder.rpartition("/")[0]
                if images := _images(root, f"{parent}/{video}"):
                    return images[int(start) - 1 : int(end)]
    return ()


def _images(root: Path, folder: str) -> tuple[str, ...]:
    place = root / folder
    if not place.is_dir():
        return ()
    found = [f.name for f in place.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES]
    prefix = f"{folder}/" if folder else ""
    return tuple(prefix + name for name in sorted(found, key=_number))


def _number(name: str) -> tuple[int, str]:
    """Order in time: TrackingNet's ``10.jpg`` follows ``9.jpg``."""
    digits = re.findall(r"\d+", PurePosixPath(name).stem)
    return (int(digits[-1]) if digits and len(digits[-1]) < 19 else 0, name)
