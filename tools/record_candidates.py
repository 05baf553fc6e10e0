"""Note what a tracker takes for its target in annotated videos, to learn matching from.

Example, from the root of the repository:
    python tools/record_candidates.py sot/mini epoch_5.pth --data work_dirs/sot/world/train \
        --out work_dirs/sot/candidates.json

The first target of each video is followed. What is written is read by configs/sot/keep_track.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vovtrack.datasets.video_dataset import VideoDataset
from vovtrack.engine.load import load_tracker
from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write
from vovtrack.files.images import read_image
from vovtrack.sot.candidate_records import record_video
from vovtrack.sot.filter_tracker import FilterTracker


def main(words: Sequence[str] | None = None) -> int:
    """Follow the targets, and write the file."""
    args = _arguments(words)
    try:
        tracker = load_tracker(args.config, args.checkpoint, device=args.device)
        if not isinstance(tracker, FilterTracker):
            raise InputError(f"Config '{args.config}' is not one of DiMP or ATOM.")
        source = VideoDataset(
            reader=dict(format=args.format), ann_file=args.data, data_prefix=dict(img=args.data)
        )
        found = {}
        start = 0
        for number in range(source.num_videos):
            video = source.video(number)
            infos = [source.get_data_info(start + frame) for frame in range(len(video))]
            start += len(video)
            found[video.name] = record_video(tracker, _images(infos), _boxes(infos), args.threshold)
            states = {k: len(v) for k, v in found[video.name]["frame_states"].items()}
            print(f"{video.name}: {len(found[video.name]['index'])} frames, {states}", flush=True)
        with atomic_write(args.out) as file:
            json.dump(found, file)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _images(infos: list[dict[str, Any]]) -> Iterator[NDArray[np.uint8]]:
    return (np.ascontiguousarray(read_image(info["img_path"])[..., ::-1]) for info in infos)


def _boxes(infos: list[dict[str, Any]]) -> dict[int, NDArray[np.float32]]:
    """The first target's box in each frame that shows it."""
    shown = {
        number: {i["instance_id"]: i["bbox"] for i in info["instances"] if not i["ignore_flag"]}
        for number, info in enumerate(infos)
    }
    tracks = [track for boxes in shown.values() for track in boxes]
    if not tracks:
        return {}
    return {
        number: np.array(boxes[tracks[0]], np.float32)
        for number, boxes in shown.items()
        if tracks[0] in boxes
    }


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", help="of the tracker, such as sot/super_dimp_simple")
    parser.add_argument("checkpoint", help="its weights")
    parser.add_argument("--data", required=True, help="folder or file of the videos")
    parser.add_argument("--format", default="single_object", help="default: single_object")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--threshold", type=float, default=0.05, help="default: 0.05")
    parser.add_argument("--device", help="default: a GPU if there is one")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
