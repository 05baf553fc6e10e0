"""One frame through detector, embedding head and tracker: ours against the published path.

    python tools/benchmarks/inference.py [--amp bf16] [--height 800 --width 1344] [--repeats 3]

Both paths run in one process on the same weights (drawn at random) and the same image, so the
ratio does not depend on the machine's load. Detections are compared.
"""

from __future__ import annotations

import argparse
import time
from contextlib import nullcontext

import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi, scale_boxes
from mmengine.config import Config
from reference import LoopTracker, detect
from torchvision.ops import box_iou

from vovtrack.engine.speed import prepare_for_speed
from vovtrack.registry import MODELS

CONFIG = "configs/ovtrack-teta/ovtrack_r50_reverse_without_inference.py"


def build(args: argparse.Namespace, published: bool):
    """The R50 tracker with random weights; the published one pools with mmdet's extractor."""
    torch.manual_seed(0)
    cfg = Config.fromfile(args.config)
    if published:
        cfg.model.roi_head.bbox_roi_extractor.type = "SingleRoIExtractor"
    cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model).eval()
    model.init_weights()
    bank = torch.randn(len(model.vocabulary), 512)
    model.set_classes(model.vocabulary, torch.nn.functional.normalize(bank, dim=1))
    return model


def make_sample(args: argparse.Namespace) -> DetDataSample:
    """Sample of a frame whose network input is twice as large as the original."""
    shape = (args.height, args.width)
    return DetDataSample(
        metainfo=dict(
            img_shape=shape,
            ori_shape=(args.height // 2, args.width // 2),
            scale_factor=(2.0, 2.0),
            frame_id=0,
        )
    )


@torch.no_grad()
def reference_frame(model, image, sample, clock) -> tuple[torch.Tensor, ...]:
    """The published path."""
    feats = clock("backbone + FPN", lambda: model.extract_feat(image))
    proposals = clock("RPN", lambda: model.rpn_head.predict(feats, [sample], rescale=False))
    dets = clock("RoI head", lambda: detect(model, feats, proposals, sample))
    rois = bbox2roi([scale_boxes(dets[0], sample.scale_factor)])
    embeds = clock("embeddings", lambda: model.embed(feats, rois))
    tracker = LoopTracker(0.33, 30, 0.4)
    clock("tracker", lambda: tracker.update(dets[0], dets[1], embeds, 0))
    return dets


@torch.no_grad()
def our_frame(model, image, sample, clock) -> tuple[torch.Tensor, ...]:
    """The product's path, as ``model.predict`` runs it."""
    feats = clock("backbone + FPN", lambda: model.extract_feat(image))
    proposals = clock("RPN", lambda: model.rpn_head.predict(feats, [sample], rescale=False))
    prepare = model.roi_head.bbox_roi_extractor.prepare
    feats = clock("RoI head", lambda: prepare(feats))
    dets = clock(
        "RoI head", lambda: model.roi_head.predict(feats, proposals, [sample], rescale=True)
    )
    embeds = clock(
        "embeddings", lambda: model._embed_detections(feats, dets, [sample], rescaled=True)
    )
    clock("tracker", lambda: model._track(dets[0], embeds[0], 0))
    return dets[0].bboxes, dets[0].scores, dets[0].labels


class Clock:
    """Adds up the seconds of named stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str, run):
        """Run ``run()`` and add its seconds to ``name``."""
        start = time.perf_counter()
        result = run()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        return result


@torch.no_grad()
def compare_regions(slow, fast, image, fast_image, sample, autocast) -> str:
    """How differently both models describe the same proposals of the same image."""
    feats = slow.extract_feat(image)
    proposals = slow.rpn_head.predict(feats, [sample], rescale=False)
    rois = bbox2roi([proposals[0].bboxes])
    theirs = slow.roi_head.describe(feats, rois)
    with autocast:
        ours = fast.roi_head.describe(fast.extract_feat(fast_image), rois)
    cosines = (ours.text_embeds * theirs.text_embeds).sum(dim=1)
    deltas = (ours.bbox_pred - theirs.bbox_pred).abs() / theirs.bbox_pred.abs().mean()
    return (
        f"same {len(rois)} regions: cosine of text embeddings mean {cosines.mean():.6f}, worst "
        f"{cosines.min():.6f}; box deltas differ by {deltas.mean():.2%} of their mean size"
    )


def agreement(ours: tuple, theirs: tuple) -> str:
    """How the two sets of detections differ."""
    ious = box_iou(ours[0].float(), theirs[0])
    best, match = ious.max(dim=1)
    same = (best > 0.9) & (ours[2] == theirs[2][match])
    diff = (ours[1].float() - theirs[1][match])[same].abs().max() if same.any() else float("nan")
    return (
        f"{int(same.sum())} of {len(ours[0])} detections have a partner (IoU > 0.9, same class) "
        f"among {len(theirs[0])}, largest score difference of these {diff:.2e}"
    )


def main() -> None:
    """Run both paths in turn and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default=CONFIG)
    parser.add_argument("--height", type=int, default=800)
    parser.add_argument("--width", type=int, default=1344)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--amp", choices=["bf16"], help="autocast of our path")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    sample = make_sample(args)
    image = torch.randn(1, 3, args.height, args.width)
    model, fast = build(args, True), prepare_for_speed(build(args, False))
    fast_image = image.to(memory_format=torch.channels_last)
    autocast = torch.autocast("cpu", torch.bfloat16) if args.amp else nullcontext()
    slow_clock, fast_clock = Clock(), Clock()
    for repeat in range(args.repeats + 1):
        if repeat == 1:
            slow_clock.seconds.clear()
            fast_clock.seconds.clear()
        theirs = reference_frame(model, image, sample, slow_clock)
        with autocast:
            ours = our_frame(fast, fast_image, sample, fast_clock)
    report(slow_clock, fast_clock, args.repeats)
    print(agreement(ours, theirs))
    print(compare_regions(model, fast, image, fast_image, sample, autocast))


def report(slow: Clock, fast: Clock, repeats: int) -> None:
    """Print seconds per frame by stage, and ratios."""
    print(f"{'stage':<16}{'published s':>14}{'ours s':>10}{'ratio':>8}")
    rows = [(name, slow.seconds[name], fast.seconds[name]) for name in slow.seconds]
    rows.append(("frame", sum(slow.seconds.values()), sum(fast.seconds.values())))
    for name, a, b in rows:
        print(f"{name:<16}{a / repeats:>14.3f}{b / repeats:>10.3f}{a / b:>8.2f}")


if __name__ == "__main__":
    main()
