"""Small files that fuzzing starts from: honest ones, and those of ``hostile`` that fit."""

from __future__ import annotations

import gzip
import io
import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import cv2
import hostile
import hostile_data
import numpy as np
import torch
from recordings import write_stacked, write_steps

from vovtrack.evaluation import evaluate
from vovtrack.formats.kubric import sample_file
from vovtrack.formats.robot_h5 import add_keypoints

LARGEST = 20_000
"""Bytes of a seed; larger ones make fuzzing slow."""

VIDEO = dict(id=1, name="v", width=9, height=9, neg_category_ids=[2])
IMAGE = dict(id=1, video_id=1, frame_index=0, width=9, height=9, file_name="v/0.jpg", video="v")
BOX = dict(id=1, image_id=1, track_id=1, category_id=1, video_id=1, bbox=[1, 2, 3, 4], area=12)
BOX |= dict(segmentation=[[1, 1, 4, 1, 4, 4]], iscrowd=0)
TRUTH = dict(
    videos=[VIDEO],
    images=[IMAGE, {**IMAGE, "id": 2, "frame_index": 1}],
    tracks=[dict(id=1, category_id=1, video_id=1)],
    annotations=[BOX, {**BOX, "id": 2, "image_id": 2}],
    categories=[
        dict(id=1, name="a", synset="a.n.01", frequency="f", merged=[dict(id=3)]),
        dict(id=2, name="b", synset="b.n.01", frequency="r"),
    ],
)
RESULT = dict(image_id=1, category_id=1, bbox=[1, 2, 3, 4], score=0.5, track_id=1, video_id=1)
MASK = {**RESULT, "segmentation": dict(size=[9, 9], counts="9b0")}
LABEL = dict(id="7", category="car", box2d=dict(x1=1, y1=2, x2=3, y2=4), attributes=dict(crowd=0))
FRAME = dict(name="f", videoName="v", frameIndex=0, labels=[LABEL])
HEADER = dict(run="r", names=["a"], category_ids=[1], novel=[False], ann_file="x")
HEADER |= dict(annotations_sha256="", schema=2)
CONFIG = dict(model=dict(detector=dict(score_thr=0.5)), _base_=[], train_cfg=None)
POINTS = dict(points=np.zeros((2, 3, 2)), occluded=np.zeros((2, 3), bool))
SHAPE = dict(label="a", shape_type="point", points=[[1, 2]])
LABELS = dict(version="5", shapes=[SHAPE, SHAPE], imageWidth=64, imageHeight=48)
PLACE = dict(id=0, x=1.5, y=2, visible=True)
TRACKED = dict(names=["a"], frames=[dict(frame_index=k, points=[PLACE]) for k in (0, 2)])
TENSORS = {"a": ("F32", [2], [0, 8]), "b": ("I64", [1], [8, 16])}
COLUMNS = {
    "__metadata__": {"format": "vovtrack.tao_results.1"},
    **{
        key: dict(dtype="I64", shape=[1], data_offsets=[8 * k, 8 * k + 8])
        for k, key in enumerate(("image_id", "video_id", "category_id", "track_id"))
    },
    "score": dict(dtype="F64", shape=[1], data_offsets=[32, 40]),
    "bbox": dict(dtype="F64", shape=[1, 4], data_offsets=[40, 72]),
}


def seeds(name: str, folder: Path) -> Iterator[bytes]:
    """Seeds of one reader of ``readers``; ``folder`` is a place for files on the way."""
    for content in (*_honest(name, folder), *_hostile(name, folder)):
        if len(content) <= LARGEST:
            yield content


def _honest(name: str, folder: Path) -> list[bytes]:
    if name in _JSON:
        return [json.dumps(_JSON[name]).encode()]
    if name in _TEXTS:
        return [_TEXTS[name].encode()]
    if name == "report":
        return [json.dumps(_report(folder)).encode()]
    if name in ("picture", "masks"):
        colours = [np.zeros((4, 4, 3), np.uint8), np.eye(4, dtype=np.uint8)]
        types = (".png", ".jpg", ".bmp", ".webp") if name == "picture" else (".png",)
        return [cv2.imencode(kind, image)[1].tobytes() for kind in types for image in colours]
    if name == "checkpoint":
        content = dict(state_dict=dict(w=torch.ones(2)), meta=dict(epoch=1))
        return [hostile.saved(content, legacy=legacy) for legacy in (False, True)]
    if name in ("safetensors", "observed_video"):
        return [hostile.safetensors_bytes(TENSORS, bytes(16))]
    if name == "tao_columns":
        text = json.dumps(COLUMNS).encode()
        return [len(text).to_bytes(8, "little") + text + bytes(72)]
    if name == "points_pickle":
        pixels = np.zeros((3, 9, 12, 3), np.uint8)
        pictures = [cv2.imencode(".jpg", frame)[1].tobytes() for frame in pixels]
        videos = ({**POINTS, "video": video} for video in (pixels, pictures))
        return [pickle.dumps(dict(v=v), protocol) for v in videos for protocol in (2, 4)]
    if name == "points_kubric":
        return [sample_file(POINTS["points"], POINTS["occluded"])]
    if name == "points_npz":
        file = io.BytesIO()
        np.savez(file, **{f"v/{key}": array for key, array in POINTS.items()})
        return [file.getvalue()]
    if name == "recording":
        frames = np.zeros((2, 4, 5, 3), np.uint8)
        write_stacked(folder / "a.h5", {"c": frames}, fps=5.0)
        write_steps(folder / "b.h5", [frames, frames])
        points = {"c": np.zeros((2, 1, 3), np.float32)}
        add_keypoints(folder / "a.h5", folder / "c.h5", points, {"c": dict(names=["a"])})
        return [(folder / f"{letter}.h5").read_bytes() for letter in "abc"]
    if name in ("zip", "zip_json"):
        return [hostile.zipped({"a.json": b"{}" * 9}, packed=packed) for packed in (0, 1)]
    return [gzip.compress(b"some text " * 9)]


def _hostile(name: str, folder: Path) -> Iterator[bytes]:
    if name in ("checkpoint", "safetensors", "yaml", "json"):
        write = hostile.write_configs if name in ("yaml", "json") else hostile.write_weights
        suffix = {"checkpoint": ".pth"}.get(name, f".{name}")
        for path in write(folder / "hostile", folder / "canary"):
            if path.suffix == suffix:
                yield path.read_bytes()
        return
    kinds = dict(
        recording=(hostile_data.recordings, ""),
        points_pickle=(hostile_data.points, ".pkl"),
        points_npz=(hostile_data.points, ".npz"),
        picture=(hostile_data.pictures, ""),
        masks=(hostile_data.pictures, ".png"),
        zip=(hostile_data.packed_files, ".zip"),
        zip_json=(hostile_data.packed_files, ".zip"),
        gz=(hostile_data.packed_files, ".gz"),
    )
    if name in kinds:
        files, suffix = kinds[name]
        yield from (content for file, content in files() if file.endswith(suffix))


def _report(folder: Path) -> dict:
    for file, content in (("gt.json", TRUTH), ("pred.json", [RESULT])):
        (folder / file).write_text(json.dumps(content))
    return evaluate("tao-ov", folder / "gt.json", folder / "pred.json")


_JSON = dict(
    tao=TRUTH,
    tao_published=TRUTH,
    lvis=TRUTH,
    coco=TRUTH,
    vocabulary=TRUTH,
    tao_results=[RESULT, RESULT],
    lvis_masks=[MASK, MASK],
    bdd100k=[FRAME, {**FRAME, "frameIndex": 1}],
    observations=HEADER,
    json=CONFIG,
    labelme=LABELS,
    point_json=TRACKED,
)
_TEXTS = dict(
    mot="1,1,2.5,3,4,5,1,-1,-1,-1\n2,1,2,3,4,5,0.5,1\n",
    mot_folder="1,1,2.5,3,4,5,1,1,0.5\n2,1,2,3,4,5,0.5,7,1\n",
    mot_videos="1,1,2.5,3,4,5,1,1,0.5\n2,1,2,3,4,5,0.5,7,1\n",
    mot_detections="1,-1,2.5,3,4,5,0.9,-1,-1,-1\n2,-1,2,3,4,5,0.5\n",
    mot_length="[Sequence]\nname=seq\nseqLength=9\nimWidth=4\n",
    mot_map="name\nseq,x\nother\n",
    single_object="1,2,3,4\n1\t2\t3 4\nnan,1,1,1\n",
    vot="1\n1,2,3,4\n1 2 3 4 5 6 7 8\n2\n0\n",
    occlusion="0,1\n",
    resolution="[METAINFO]\nresolution: (1920, 1080)\n",
    yaml="model:\n  detector: {score_thr: 0.5}\nvalues: &v [1, 2]\nother: *v\n",
)
