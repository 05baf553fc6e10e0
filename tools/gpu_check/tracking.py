"""Tracking on a device: the tracks of the CPU, and time and memory of a frame in full size.

    python tools/gpu_check/tracking.py PRECISION --device cuda

Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
from statistics import median
from time import perf_counter

import numpy as np
import torch
from samples import STAGES, build

from ovtrack.online import OVOnlineTracker
from vovtrack import load_tracker
from vovtrack.datasets.frame_pipeline import FramePipeline
from vovtrack.engine.fuse import mix_precision, prepare_for_speed
from vovtrack.synthetic import render_clip


def compare(device: str) -> dict[str, int]:
    """Track a rendered clip on the CPU and on the device in float32."""
    frames, _ = render_clip(seed=3, num_frames=8, width=256, height=192)
    results = []
    for place in ("cpu", device):
        tracker = load_tracker("mini", device=place)
        results.append([tracker.step(frame) for frame in frames])
    for ours, expected in zip(*results, strict=True):
        same = np.array_equal(ours.track_ids, expected.track_ids)
        if not same or not np.allclose(ours.bboxes, expected.bboxes, atol=0.5):
            raise ValueError(f"frame {ours.frame_id} has other tracks than on the CPU")
    return {"same_tracks": len({i for tracks in results[0] for i in tracks.track_ids.tolist()})}


@torch.no_grad()
def speed(precision: str, device: str, quick: bool) -> dict[str, float]:
    """Milliseconds of a frame, transfers included, and the peak of memory."""
    model, cfg = build(STAGES["pairs"].mini if quick else STAGES["pairs"].full)
    model = prepare_for_speed(model.eval()).to(device)
    model = model if precision == "float32" else mix_precision(model, precision)
    tracker = OVOnlineTracker(model, FramePipeline.of(cfg))
    size = (192, 256) if quick else (720, 1280)
    images = np.random.default_rng(0).integers(0, 255, (4, *size, 3), np.uint8)
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    times = []
    for number in range(4 if quick else 40):
        begin = perf_counter()
        tracker.step(images[number % len(images)])
        times.append(perf_counter() - begin)
    found = {"ms_per_frame": round(1000 * median(times[2:]), 1)}
    if device.startswith("cuda"):
        found["peak_mib"] = round(torch.cuda.max_memory_allocated() / 2**20)
    return found


def main() -> None:
    """Check tracking in one precision."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("precision", choices=("float32", "bf16", "fp16"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    found = compare(args.device) if args.precision == "float32" else {}
    print(json.dumps(found | speed(args.precision, args.device, args.quick)))


if __name__ == "__main__":
    main()
