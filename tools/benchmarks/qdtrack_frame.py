"""One frame through QDTrack on either detector: ours against the published arithmetic.

    python tools/benchmarks/qdtrack_frame.py [--detector yolox_x] [--amp bf16]

Both ways run in one process on the same weights (drawn at random) and the same image, in turn. With
one thread the seconds are those of the processor, so other jobs on the machine matter less. The
published way has batch norms of its own, contiguous maps, mmdet's proposals, pooling and
suppression, which are made of the same steps as vis4d's, and embeds every detection.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Sequence

import torch
from arguments import parse
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData
from torch import Tensor

from ovtrack.models import QDTrack
from vovtrack.engine.fuse import prepare_for_speed
from vovtrack.engine.load import build_model
from vovtrack.engine.run import load_config
from vovtrack.trackers.contract import link

CONFIG = "configs/_base_/models/qdtrack_{}.py"
SPREAD = {"faster_rcnn_r50": ("fc_cls.weight", 30.0), "yolox_x": ("multi_level_conv_", 100.0)}
"""What tells random objects apart: weights of the classifiers, and a factor on them."""


def pool_as_mmdet(extractor: dict) -> None:
    """Pool from the same levels, level by level."""
    extractor.update(type="SingleRoIExtractor", finest_scale=14 * extractor["featmap_strides"][0])


def build(args: argparse.Namespace) -> tuple[QDTrack, QDTrack]:
    """The published way and ours, with the same weights and as many detections per frame."""
    config = load_config(CONFIG.format(args.detector))
    detector = config.model.detector
    detector.backbone.init_cfg = None
    if args.detector != "yolox_x":
        detector.test_cfg.rcnn.max_per_img = args.detections
        detector.test_cfg.rpn.max_per_img = args.proposals
    torch.manual_seed(0)
    ours = build_model(config).eval()
    ours.init_weights()
    part, factor = SPREAD[args.detector]
    for name, parameter in ours.named_parameters():
        if part in name and name.endswith("weight"):
            parameter.data.mul_(factor)
    plain = copy.deepcopy(config.model)
    if args.detector == "yolox_x":
        pool_as_mmdet(plain.detector.roi_extractor)
    else:
        pool_as_mmdet(plain.detector.roi_head.bbox_roi_extractor)
        plain.detector.rpn_head.type = "RPNHead"
        for head in (plain.detector.rpn_head, plain.detector.roi_head.bbox_head):
            head.bbox_coder.type = "DeltaXYWHBBoxCoder"
    theirs = build_model(Config(dict(model=plain))).eval()
    theirs.load_state_dict(ours.state_dict())
    return theirs, prepare_for_speed(ours)


@torch.no_grad()
def published_frame(model: QDTrack, image: Tensor, sample: DetDataSample) -> InstanceData:
    """Detections of a frame that is tracked in the published way."""
    detector = model.detector
    feats = detector.extract_feat(image)
    if hasattr(detector, "roi_head"):
        proposals = detector.rpn_head.predict(feats, [sample])
        (found,) = detector.roi_head.predict_bbox(
            feats, [sample.metainfo], proposals, detector.test_cfg.rcnn
        )
    else:
        cfg = detector.test_cfg
        outputs = detector.bbox_head(feats)
        (found,) = detector.bbox_head.predict_by_feat(
            *outputs, batch_img_metas=[sample.metainfo], cfg=cfg
        )
    found.embeds = model.track_head(detector.pool(feats, bbox2roi([found.bboxes])))
    link(model.tracker, found, sample.frame_id)
    return found


@torch.no_grad()
def detect_as_many(models: Sequence[QDTrack], image: Tensor, count: int) -> None:
    """Let one-stage detectors with random weights find about as many objects in an image."""
    settings = [model.detector.test_cfg for model in models]
    settings[0].score_thr = 0.0
    _, (found,) = models[0].detector.propose(image, [DetDataSample()])
    for own in settings:
        own.score_thr = float(found.scores[min(count, len(found)) - 1])
        own.max_per_img = count  # half precision finds a few more


def main() -> None:
    """Run both ways in turn and print their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", choices=list(SPREAD), default="faster_rcnn_r50")
    parser.add_argument("--height", type=int, default=384)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--proposals", type=int, default=1000)
    parser.add_argument("--detections", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--amp", choices=["bf16"], help="autocast of our way")
    args = parse(parser, height=64, width=96, proposals=50, detections=10, repeats=1)
    torch.set_num_threads(1)
    MMLogger.get_instance("qdtrack_frame").setLevel("WARNING")

    shape = (args.height, args.width)
    image = torch.randn(1, 3, *shape)
    sample = DetDataSample(
        metainfo=dict(img_shape=shape, ori_shape=shape, scale_factor=(1.0, 1.0), frame_id=0)
    )
    theirs, ours = build(args)
    if args.detector == "yolox_x":
        detect_as_many((ours, theirs), image, args.detections)
    embedded: list[int] = []
    ours.track_head.register_forward_hook(lambda _, given, __: embedded.append(len(given[0])))
    fast_image = image.to(memory_format=torch.channels_last)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=args.amp is not None)
    seconds: dict[str, list[float]] = dict(published=[], ours=[])
    for _ in range(1 + args.repeats):
        begin = time.thread_time()
        expected = published_frame(theirs, image, sample)
        seconds["published"].append(time.thread_time() - begin)
        begin = time.thread_time()
        with autocast:
            found = ours.predict(fast_image, [sample.clone()])[0].pred_instances
        seconds["ours"].append(time.thread_time() - begin)
    best = {name: min(times[1:]) for name, times in seconds.items()}
    print(f"{args.detector}, {args.height}x{args.width}, {args.amp or 'float32'}, one thread:")
    print(f"published {best['published']:.3f} s, ours {best['ours']:.3f} s", end="")
    print(f", ratio {best['published'] / best['ours']:.2f}")
    distance = torch.cdist(found.bboxes, expected.bboxes.float(), p=torch.inf).min(dim=1).values
    print(
        f"{len(expected)} and {len(found)} detections, {sum(embedded[-1:])} of ours embedded; "
        f"{int((distance < 0.1).sum())} lie within 0.1 pixels of a published one"
    )


if __name__ == "__main__":
    main()
