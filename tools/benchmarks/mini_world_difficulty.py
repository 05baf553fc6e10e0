"""How hard is association in a mini world? Trackers on perfect boxes and labels.

    python tools/benchmarks/mini_world_difficulty.py [--world DIR]

Both trackers get the annotated boxes of the validation videos. One links by overlap alone, the
other by a colour histogram of each box, so the table shows what position and what appearance are
worth when detection is perfect.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from arguments import parse
from mmengine.structures import InstanceData

from ovtrack.trackers import OVTracker
from vovtrack.evaluation import evaluate
from vovtrack.evaluation.reports.tables import summary_rows, text_table
from vovtrack.formats.tao.annotations import read_annotations
from vovtrack.formats.tao.writer import TaoResultWriter
from vovtrack.synthetic import write_world
from vovtrack.trackers import IoUTracker

BINS = (16, 4, 4)


def histogram(image: np.ndarray, bbox: list[float]) -> np.ndarray:
    """Unit histogram of hue, saturation and value inside a box (x, y, w, h)."""
    x, y, w, h = (int(v) for v in bbox)
    crop = cv2.cvtColor(image[y : y + max(h, 1), x : x + max(w, 1)], cv2.COLOR_BGR2HSV)
    counts = cv2.calcHist([crop], [0, 1, 2], None, BINS, [0, 180, 0, 256, 0, 256]).ravel()
    return np.sqrt(counts / counts.sum()).astype(np.float32)


def to_instances(image: np.ndarray, annotations: list[dict]) -> InstanceData:
    """The annotated boxes of a frame as detections, each with its histogram."""
    boxes = torch.tensor([a["bbox"] for a in annotations], dtype=torch.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    embeds = [histogram(image, a["bbox"]) for a in annotations]
    return InstanceData(
        bboxes=boxes,
        scores=torch.ones(len(boxes)),
        labels=torch.tensor([a["category_id"] for a in annotations], dtype=torch.long),
        embeds=torch.from_numpy(np.array(embeds)) * 8,
    )


def track(world: Path, tracker, out: Path) -> Path:
    """Track all validation videos on their annotated boxes into a TAO result file."""
    content = read_annotations(world / "tao/annotations/validation.json")
    annotations: dict[int, list[dict]] = {image["id"]: [] for image in content["images"]}
    for annotation in content["annotations"]:
        annotations[annotation["image_id"]].append(annotation)
    with TaoResultWriter(out) as writer:
        for video in content["videos"]:
            tracker.reset()
            rows = []
            images = [i for i in content["images"] if i["video_id"] == video["id"]]
            for t, image in enumerate(sorted(images, key=lambda i: i["frame_index"])):
                pixels = cv2.imread(str(world / "tao/frames" / image["file_name"]))
                found = annotations[image["id"]]
                tracked = tracker.update(to_instances(pixels, found), t)
                rows += [
                    dict(
                        image_id=image["id"],
                        video_id=video["id"],
                        category_id=a["category_id"],
                        bbox=a["bbox"],
                        score=1.0,
                        track_id=int(track_id),
                    )
                    for a, track_id in zip(found, tracked.instances_id, strict=True)
                ]
            writer.write_video(video["id"], rows)
    return out


def main() -> None:
    """Print the TETA table of both trackers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--world", type=Path, help="written by 'vovtrack synth'; else rendered")
    parser.add_argument("--size", default="small", help="of a world that is rendered")
    args = parse(parser, size="tiny")
    trackers = {
        "overlap alone": IoUTracker(iou_thr=0.1, memo_frames=10),
        "colour histogram": OVTracker(
            match_score_thr=0.4, memo_frames=10, momentum_embed=0.4, distractor_score_thr=0.5
        ),
    }
    with tempfile.TemporaryDirectory() as folder:
        world = args.world or write_world(Path(folder) / "world", size=args.size)
        for name, tracker in trackers.items():
            results = track(world, tracker, Path(folder) / f"{name}.json")
            report = evaluate("tao-ov", world / "tao/annotations/validation.json", results)
            print(f"\n{name}")
            print(text_table(*summary_rows(report)))


if __name__ == "__main__":
    main()
