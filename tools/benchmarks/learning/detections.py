"""Detections: annotated boxes, shaken, among boxes of nothing, or those of a trained detector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from torch import Tensor
from torchvision.ops import box_iou

from ovtrack.models import EmbeddingTracker
from vovtrack.datasets.video_dataset import VideoDataset
from vovtrack.ops.boxes import scale_boxes
from vovtrack.trackers.contract import DETECTION, pick

_BINS = 8


@dataclass(frozen=True)
class Recipe:
    """How annotated boxes become detections.

    Attributes:
        shake: Standard deviation of the centre and the log size of a box, in parts of its size.
        imagined: Mean number of boxes of nothing per frame.
        size: (width, height) of the frames.
    """

    shake: float = 0.05
    imagined: float = 1.0
    size: tuple[int, int] = (192, 128)


@dataclass(frozen=True)
class Frame:
    """One frame of a video.

    Attributes:
        index: Its index in the dataset.
        found: ``bboxes``, ``scores`` (descending) and ``labels`` of its detections, original
            pixels; ``identity`` is the annotated object, below 0 for boxes of nothing.
    """

    index: int
    found: InstanceData


def detect(dataset: VideoDataset, recipe: Recipe, seed: int = 0) -> list[list[Frame]]:
    """The detections of every video, the same for every tracker."""
    videos: list[list[Frame]] = []
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        if info["frame_id"] == 0:
            videos.append([])
            rng = np.random.default_rng((seed, info["video_id"]))
        videos[-1].append(Frame(index, _detections(info, recipe, rng)))
    return videos


@torch.no_grad()
def find(model: EmbeddingTracker, dataset: VideoDataset) -> list[list[Frame]]:
    """What the detector of a model finds; ``identity`` is the annotated object that it covers."""
    videos: list[list[Frame]] = []
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        if info["frame_id"] == 0:
            videos.append([])
        batch, samples = _input(model, dataset, info)
        feats, proposals = model.detector.propose(batch, samples)
        metas = [sample.metainfo for sample in samples]
        (found,) = model.detector.detect(feats, proposals, metas, rescale=True)
        found.identity = _covered(found.bboxes, info)
        videos[-1].append(Frame(index, pick(found, (*DETECTION, "identity"))))
    return videos


def _covered(bboxes: Tensor, info: dict) -> Tensor:
    """(n,) the annotated objects that boxes cover by half or more; else below 0, all different."""
    rows = info["instances"]
    identity = -1 - 1000 * info["frame_id"] - torch.arange(len(bboxes))
    if rows and len(bboxes):
        real = torch.tensor([row["bbox"] for row in rows], dtype=torch.float32)
        share, place = box_iou(bboxes, real).max(dim=1)
        names = torch.tensor([row["instance_id"] for row in rows])
        identity = torch.where(share >= 0.5, names[place], identity)
    return identity


def _input(model: EmbeddingTracker, dataset: VideoDataset, info: dict) -> tuple[Tensor, list]:
    item = dataset.pipeline(info)
    data = model.data_preprocessor(
        dict(inputs=[item["inputs"]], data_samples=[item["data_samples"]])
    )
    return data["inputs"], data["data_samples"]


def _detections(info: dict, recipe: Recipe, rng: np.random.Generator) -> InstanceData:
    rows = info["instances"]
    real = np.array([row["bbox"] for row in rows], float).reshape(-1, 4)
    ghosts = _ghosts(rng, int(rng.poisson(recipe.imagined)), np.array(recipe.size))
    count = len(ghosts)
    boxes = np.vstack([_shaken(rng, real, recipe.shake), ghosts])
    scores = np.append(rng.uniform(0.75, 1.0, len(real)), rng.uniform(0.3, 0.9, count))
    labels = np.append([row["bbox_label"] for row in rows], rng.integers(3, size=count))
    # No two boxes of nothing are the same thing, in this frame or another one.
    nothing = -1 - 100 * info["frame_id"] - np.arange(count)
    identity = np.append([row["instance_id"] for row in rows], nothing)
    order = np.argsort(-scores, kind="stable")
    return InstanceData(
        bboxes=torch.tensor(boxes[order], dtype=torch.float32),
        scores=torch.tensor(scores[order], dtype=torch.float32),
        labels=torch.tensor(labels[order], dtype=torch.long),
        identity=torch.tensor(identity[order], dtype=torch.long),
    )


def _shaken(rng: np.random.Generator, boxes: np.ndarray, shake: float) -> np.ndarray:
    sizes = boxes[:, 2:] - boxes[:, :2]
    noise = rng.normal(0, shake, boxes.shape)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 + noise[:, :2] * sizes
    half = sizes * np.exp(noise[:, 2:]) / 2
    return np.hstack([centres - half, centres + half])


def _ghosts(rng: np.random.Generator, count: int, size: np.ndarray) -> np.ndarray:
    sides = rng.uniform(0.12, 0.35, (count, 2)) * size.min()
    corners = rng.uniform(0, 1, (count, 2)) * (size - sides)
    return np.hstack([corners, corners + sides])


@torch.no_grad()
def embeddings(
    model: EmbeddingTracker, dataset: VideoDataset, videos: list[list[Frame]]
) -> Iterator[list[Tensor]]:
    """What a model makes of the detections: (n, D) for each frame of each video."""
    for frames in videos:
        found = []
        for frame in frames:
            batch, samples = _input(model, dataset, dataset.get_data_info(frame.index))
            feats, _ = model.detector.propose(batch, samples)
            boxes = scale_boxes(frame.found.bboxes, samples[0].scale_factor)
            found.append(model.embed(feats, bbox2roi([boxes])))
        yield found


def histograms(dataset: VideoDataset, videos: list[list[Frame]]) -> Iterator[list[Tensor]]:
    """Colours of the detections: roots of the shares of 512 bins, whose products are likenesses."""
    for frames in videos:
        found = []
        for frame in frames:
            info = dataset.get_data_info(frame.index)
            image = dataset.pipeline.transforms[0](dict(info))["img"]
            rows = [_histogram(image, box) for box in frame.found.bboxes.round().int().tolist()]
            found.append(torch.tensor(np.array(rows).reshape(-1, _BINS**3), dtype=torch.float32))
        yield found


def _histogram(image: np.ndarray, box: list[int]) -> np.ndarray:
    x1, y1, x2, y2 = (max(0, side) for side in box)
    pixels = image[y1 : y2 + 1, x1 : x2 + 1].reshape(-1, 3) // (256 // _BINS)
    codes = pixels.astype(int) @ (_BINS**2, _BINS, 1)
    counts = np.bincount(codes, minlength=_BINS**3)
    return np.sqrt(counts / max(1, counts.sum()))


def oracle(videos: list[list[Frame]]) -> Iterator[list[Tensor]]:
    """Embeddings that know every object, and that no box of nothing is like another one."""
    for frames in videos:
        names = sorted({name for frame in frames for name in frame.found.identity.tolist()})
        places = {name: place for place, name in enumerate(names)}
        one_hot = 10 * torch.eye(len(names))
        yield [one_hot[[places[n] for n in frame.found.identity.tolist()]] for frame in frames]
