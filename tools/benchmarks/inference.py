"""One frame through detector, embedding head and tracker: ours against the published path.

    python tools/benchmarks/inference.py [--amp bf16] [--compile] [--height 800 --width 1344]

Both paths run in one process on the same weights (drawn at random) and the same image, so the
ratio does not depend on the machine's load. Detections are compared.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from arguments import parse
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi, scale_boxes
from mmengine.config import Config
from mmengine.logging import MMLogger
from reference import LoopTracker, detect
from torchvision.ops import box_iou

from vovtrack.engine.fuse import compile_features, prepare_for_speed
from vovtrack.registry import MODELS

CONFIG = "configs/ovtrack-teta/ovtrack_r50_reverse_without_inference.py"


def build(args: argparse.Namespace, published: bool):
    """The R50 tracker; the published one proposes, decodes and pools with mmdet's parts."""
    cfg = Config.fromfile(args.config)
    detector = cfg.model.detector
    if published:
        detector.rpn_head.type = "RPNHead"
        detector.roi_head.bbox_roi_extractor.type = "SingleRoIExtractor"
        for head in (detector.rpn_head, detector.roi_head.bbox_head):
            head.bbox_coder.type = "DeltaXYWHBBoxCoder"
    detector.backbone.init_cfg = None
    detector.test_cfg.rpn.max_per_img = args.proposals
    return MODELS.build(cfg.model).eval()


def share_random_weights(*models) -> None:
    """Draw weights and class embeddings for the first model and copy them to the others."""
    torch.manual_seed(0)
    models[0].init_weights()
    vocabulary = models[0].vocabulary
    bank = torch.nn.functional.normalize(torch.randn(len(vocabulary), 512), dim=1)
    for model in models:
        model.load_state_dict(models[0].state_dict())
        model.set_classes(vocabulary, bank)


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


class Clock:
    """Seconds of named stages, frame by frame."""

    def __init__(self) -> None:
        self.frames: list[dict[str, float]] = []

    def start(self) -> None:
        """Begin the next frame."""
        self.frames.append({})

    def __call__(self, stage: str, run: Callable):
        """Run ``run()`` and add its seconds to ``stage``."""
        begin = time.perf_counter()
        result = run()
        frame = self.frames[-1]
        frame[stage] = frame.get(stage, 0.0) + time.perf_counter() - begin
        return result

    def watch(self, owner: object, method: str, stage: str) -> None:
        """Count every call of a method of ``owner`` as ``stage``."""
        plain = getattr(owner, method)
        timed = lambda *args, **kwargs: self(stage, lambda: plain(*args, **kwargs))  # noqa: E731
        object.__setattr__(owner, method, timed)

    def fastest(self, warm_up: int = 1) -> dict[str, float]:
        """The stages of the fastest frame, without the first ones: other jobs only slow down."""
        return min(self.frames[warm_up:], key=lambda stages: sum(stages.values()))


@torch.no_grad()
def reference_frame(model, image, sample, clock: Clock) -> tuple[torch.Tensor, ...]:
    """The published path."""
    clock.start()
    detector = model.detector
    feats = clock("backbone + FPN", lambda: detector.extract_feat(image))
    proposals = clock("RPN", lambda: detector.rpn_head.predict(feats, [sample], rescale=False))
    feats = feats[: detector.roi_head.bbox_roi_extractor.num_inputs]
    dets = clock("RoI head", lambda: detect(detector, feats, proposals, sample))
    rois = bbox2roi([scale_boxes(dets[0], sample.scale_factor)])
    embeds = clock("embeddings", lambda: model.embed(feats, rois))
    tracker = LoopTracker(0.33, 30, 0.4)
    clock("tracker", lambda: tracker.update(dets[0], dets[1], embeds, 0))
    return dets


def watch_stages(model, clock: Clock) -> None:
    """Time the parts of ``model.predict`` where they are called."""
    head = model.detector.roi_head
    clock.watch(model.detector, "extract_feat", "backbone + FPN")
    clock.watch(model.detector.rpn_head, "predict", "RPN")
    clock.watch(head.bbox_roi_extractor, "prepare", "RoI head")
    clock.watch(head, "detect", "RoI head")
    clock.watch(model, "embed", "embeddings")
    clock.watch(model.tracker, "update", "tracker")


def our_frame(model, image, sample, clock: Clock) -> tuple[torch.Tensor, ...]:
    """The product's path; the whole frame is timed as well as its watched stages."""
    clock.start()
    begin = time.perf_counter()
    dets = model.predict(image, [sample.clone()])[0].pred_instances
    stages = clock.frames[-1]
    stages["the rest"] = time.perf_counter() - begin - sum(stages.values())
    return dets.bboxes, dets.scores, dets.labels


@torch.no_grad()
def compare_regions(slow, fast, image, fast_image, sample, autocast) -> str:
    """How differently both detectors describe the same proposals of the same image."""
    feats = slow.extract_feat(image)
    proposals = slow.rpn_head.predict(feats, [sample], rescale=False)
    rois = bbox2roi([proposals[0].bboxes])
    theirs = slow.roi_head.describe(feats[: slow.roi_head.bbox_roi_extractor.num_inputs], rois)
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
    parser.add_argument("--proposals", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--amp", choices=["bf16"], help="autocast of our path")
    parser.add_argument("--compile", action="store_true", help="backbone and FPN of our path")
    args = parse(parser, height=64, width=96, proposals=20, repeats=1, threads=1)
    torch.set_num_threads(args.threads)
    # Else the initialisation of each weight is a line.
    MMLogger.get_instance("inference").setLevel("WARNING")

    sample = make_sample(args)
    image = torch.randn(1, 3, args.height, args.width)
    model, fast = build(args, published=True), build(args, published=False)
    share_random_weights(model, fast)
    prepare_for_speed(fast)
    if args.compile:
        compile_features(fast)
    fast_image = image.to(memory_format=torch.channels_last)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=args.amp is not None)
    slow_clock, fast_clock = Clock(), Clock()
    watch_stages(fast, fast_clock)
    passed: list[int] = []
    fast.detector.roi_head.bbox_head.image_branch.register_forward_hook(
        lambda _, regions, __: passed.append(len(regions[0]))
    )
    for _ in range(1 + args.repeats):
        theirs = reference_frame(model, image, sample, slow_clock)
        passed.clear()
        with autocast:
            ours = our_frame(fast, fast_image, sample, fast_clock)
    report(slow_clock.fastest(), fast_clock.fastest())
    print(f"image branch: {sum(passed)} of {args.proposals} regions, in {len(passed)} rounds")
    print(agreement(ours, theirs))
    fast_clock.start()
    detectors = model.detector, fast.detector
    print(compare_regions(*detectors, image, fast_image, sample, autocast))


def report(slow: dict[str, float], fast: dict[str, float]) -> None:
    """Print seconds by stage of the fastest frames, and ratios."""
    print(f"{'stage':<16}{'published s':>14}{'ours s':>10}{'ratio':>8}")
    for name in fast:
        theirs = f"{slow[name]:>14.3f}" if name in slow else " " * 14
        ratio = f"{slow[name] / fast[name]:>8.2f}" if name in slow else ""
        print(f"{name:<16}{theirs}{fast[name]:>10.3f}{ratio}")
    frames = sum(slow.values()), sum(fast.values())
    print(f"{'frame':<16}{frames[0]:>14.3f}{frames[1]:>10.3f}{frames[0] / frames[1]:>8.2f}")


if __name__ == "__main__":
    main()
