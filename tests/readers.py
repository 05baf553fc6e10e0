"""The readers of files from outside, each as a function of a path, for fuzzing and its replay."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vovtrack.engine.configs import read_config
from vovtrack.errors import InputError
from vovtrack.evaluation.reports.report import read_report, statistics_of
from vovtrack.files.archives import FileTree, open_binary, read_json
from vovtrack.files.checkpoints import load_checkpoint_file
from vovtrack.files.images import read_image
from vovtrack.formats import (
    bdd100k,
    bdd100k_videos,
    coco,
    kubric,
    labelme,
    lvis,
    point_json,
    robot_h5,
    single_object,
    single_object_results,
    tapvid,
    vot,
)
from vovtrack.formats.davis import MaskSequences
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.mot import benchmark, sequences
from vovtrack.formats.mot import videos as mot_videos
from vovtrack.formats.mot.detections import MotDetections
from vovtrack.formats.mot.folders import SequenceInfo
from vovtrack.formats.observations import ObservationStore
from vovtrack.formats.tao import annotations as tao
from vovtrack.formats.tao import columns as tao_columns
from vovtrack.formats.tao import conversion as tao_conversion
from vovtrack.formats.tao import results as tao_results
from vovtrack.formats.tapvid_videos import open_videos
from vovtrack.structures import Vocabulary


@dataclass(frozen=True)
class Reader:
    """Something that reads files.

    Attributes:
        file: Name of the file in its folder.
        read: Takes the file.
    """

    file: str
    read: Callable[[Path], Any]


def _observations(path: Path) -> None:
    store = ObservationStore(path.parent)
    _ = store.header.vocabulary


def _observed_video(path: Path) -> None:
    header = dict(run="", names=["a"], category_ids=[1], novel=[False], ann_file="")
    text = json.dumps({**header, "annotations_sha256": "", "schema": 2})
    (path.parent / "observations.json").write_text(text)
    list(ObservationStore(path.parent).read(1).frames())


def _mot_folder(path: Path) -> None:
    folder = path.parents[2]
    (path.parents[1] / "seqinfo.ini").write_text("[Sequence]\nseqLength=9\n")
    truth = benchmark.read_ground_truth(
        folder, benchmark.find_sequences(folder), InputFaults(lenient=True)
    )
    benchmark.read_predictions(path.parent, truth, InputFaults(lenient=True))


def _mot_length(path: Path) -> None:
    gt = path.parent / "gt/gt.txt"
    gt.parent.mkdir(exist_ok=True)
    gt.write_text("1,1,2,3,4,5,1\n")
    folder = path.parents[1]
    benchmark.read_ground_truth(folder, benchmark.find_sequences(folder), InputFaults())


def _mot_videos(path: Path) -> None:
    write_info(path.parents[1])
    mot_videos.read_mot(path.parents[2], min_identity_visibility=0.5)


def _mot_detections(path: Path) -> None:
    write_info(path.parents[1])
    for name in (found := MotDetections(path.parents[2])).videos:
        list(found.frames(name))


def write_info(folder: Path) -> None:
    """Write what a sequence must say of itself."""
    info = SequenceInfo(folder.name, num_frames=9, width=90, height=60, frame_rate=25)
    (folder / "seqinfo.ini").write_text(info.text())


def _single_object(path: Path) -> None:
    truth = single_object.read_ground_truth(path.parent)
    single_object_results.read_predictions(
        path.parent, truth, InputFaults(lenient=True), corners=True
    )


def _regions(path: Path) -> None:
    vot.read_regions(FileTree(path.parent), path.name)


def _occlusion(path: Path) -> None:
    (path.parent / "groundtruth.txt").write_text("1,2,3,4\n1,2,3,4\n")
    single_object.read_ground_truth(path.parents[1])


def _resolution(path: Path) -> None:
    (path.parent / "groundtruth.txt").write_text("1,2,3,4\n")
    single_object.read_ground_truth(path.parents[1])


def _masks(path: Path) -> None:
    masks = MaskSequences(path.parents[1] if path.suffix == ".png" else path)
    for sequence in masks.names():
        for frame in masks.frames(sequence):
            masks.read(sequence, frame)


def _points(path: Path) -> None:
    tapvid.read_truth(path)
    for video in open_videos(path):
        for _ in video.frames():
            pass


def _unpack(path: Path) -> None:
    tree = FileTree(path)
    for name in tree.names():
        tree.read_text(name)


def _open(path: Path) -> None:
    with open_binary(path) as file:
        file.read()


def _bdd(path: Path) -> None:
    bdd100k_videos.read_bdd100k(path, "det")
    for video in bdd100k.read_videos(path, InputFaults(lenient=True)).values():
        video.tracks()


def _report(path: Path) -> None:
    report = read_report(path)
    if "statistics" in report:
        statistics_of(report, path)


def _mask_results(path: Path) -> None:
    image = dict(id=1, width=9, height=9)
    lvis.read_masks(path, dict(images=[image], categories=[dict(id=1)]), InputFaults(lenient=True))


def _recording(path: Path) -> None:
    with robot_h5.open_recording(path) as recording:
        for camera in recording.cameras.values():
            for index in range(min(camera.num_frames, 9)):
                camera.frame(index)
    robot_h5.read_keypoints(path)


READERS = {
    "tao": Reader("a.json", tao.read_sequences),
    "tao_published": Reader(
        "a.json",
        lambda path: tao_conversion.to_lvis_v1(
            tao_conversion.number_frames(tao_conversion.read_published(path), path), path
        ),
    ),
    "tao_results": Reader(
        "a.json", lambda path: tao_results.read_results(path, InputFaults(lenient=True))
    ),
    "tao_columns": Reader("a.columns.safetensors", tao_columns.read_columns),
    "lvis": Reader("a.json", lambda path: lvis.read_ground_truth(path, masks=True)),
    "lvis_masks": Reader("a.json", _mask_results),
    "coco": Reader("a.json", coco.read_labelled),
    "bdd100k": Reader("a.json", _bdd),
    "vocabulary": Reader("a.json", Vocabulary.load),
    "mot": Reader("a.txt", lambda path: sequences.read_sequence(path, 100, 100)),
    "mot_folder": Reader("seq/gt/gt.txt", _mot_folder),
    "mot_length": Reader("seq/seqinfo.ini", _mot_length),
    "mot_videos": Reader("seq/gt/gt.txt", _mot_videos),
    "mot_detections": Reader("seq/det/det.txt", _mot_detections),
    "mot_map": Reader("a.txt", benchmark.read_sequence_map),
    "single_object": Reader("seq.txt", _single_object),
    "vot": Reader("seq_001.txt", _regions),
    "occlusion": Reader("seq/full_occlusion.txt", _occlusion),
    "resolution": Reader("seq/meta_info.ini", _resolution),
    "masks": Reader("seq/0.png", _masks),
    "observations": Reader("observations.json", _observations),
    "observed_video": Reader("1.safetensors", _observed_video),
    "report": Reader("a.json", _report),
    "yaml": Reader("a.yaml", read_config),
    "json": Reader("a.json", read_config),
    "points_pickle": Reader("a.pkl", _points),
    "points_npz": Reader("a.npz", tapvid.read_truth),
    "points_kubric": Reader("a/a.npy", lambda path: kubric.read_points(path.parent)),
    "labelme": Reader("a.json", lambda path: labelme.read_points(path, 64, 48)),
    "point_json": Reader("a.json", lambda path: point_json.read_point_results(path).keypoints(9)),
    "recording": Reader("a.h5", _recording),
    "checkpoint": Reader("a.pth", load_checkpoint_file),
    "safetensors": Reader("a.safetensors", load_checkpoint_file),
    "picture": Reader("a.png", read_image),
    "zip": Reader("a.zip", _unpack),
    "zip_json": Reader("b.zip", read_json),
    "gz": Reader("a.gz", _open),
}


def fault(reader: Reader, data: bytes, folder: Path) -> Exception | None:
    """Give a reader a file with this content; return what should not have been raised."""
    path = folder / reader.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.read(path)
    except InputError as error:
        sentence = str(error)
        if str(folder) not in sentence or "\n" in sentence:
            return error
    except Exception as error:
        return error
    return None
