"""Parts of detector training against the published way or the plain detector, ratios in one run.

python tools/benchmarks/detector_training.py features [--vit] [--regions 400]
python tools/benchmarks/detector_training.py prompts
python tools/benchmarks/detector_training.py step
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from arguments import parse
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config, ConfigDict
from mmengine.structures import InstanceData
from PIL import Image
from torchvision.transforms.functional import center_crop

import detpro  # noqa: F401  registers the models
import vovtrack.models  # noqa: F401
from detpro.features.crops import enlarge_boxes, integer_boxes
from detpro.features.encoder import RegionEncoder
from detpro.prompts.context import ContextPrompts
from vovtrack.models.clip.encoder import CLIP_MEAN, CLIP_STD, ClipEncoder
from vovtrack.registry import MODELS

MINI = dict(
    model="configs/mini/clip_mini.json", pretrained="saved_models/mini/clip_mini.safetensors"
)
VIT = "ViT-B-32-quickgelu"


def timed(work: Callable[[], object], repeats: int = 3) -> tuple[float, object]:
    """Shortest time of some runs after one to warm up, and the last result."""
    result, times = work(), []
    for _ in range(repeats):
        begin = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - begin)
    return min(times), result


class RandomClip(ClipEncoder):
    """A full-size CLIP with random weights: speed does not ask for good ones."""

    def load(self):
        """The model is drawn, not fetched."""
        if self._loaded is None:
            torch.manual_seed(0)
            model = open_clip.create_model(self.model, load_weights=False).eval()
            self._loaded = model.requires_grad_(False), open_clip.get_tokenizer(self.model)
        return self._loaded


def make_image(width: int, height: int, count: int) -> tuple[np.ndarray, torch.Tensor]:
    """A smooth random picture, and boxes of the sizes of objects in photographs."""
    generator = np.random.default_rng(0)
    small = generator.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    picture = np.asarray(Image.fromarray(small).resize((width, height), Image.BICUBIC)).copy()
    corner = generator.uniform(0, 0.9, (count, 2)) * [width, height]
    extent = np.exp(generator.normal(np.log(min(width, height) / 6), 0.8, (count, 2)))
    boxes = np.concatenate([corner, np.minimum(corner + extent + 4, [width, height])], axis=1)
    return picture, torch.from_numpy(boxes).float()


def one_by_one(clip: ClipEncoder, picture: np.ndarray, boxes: torch.Tensor) -> torch.Tensor:
    """The published way: each crop through Pillow and through CLIP on its own."""
    side, rows = clip.image_size, []
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    whole = Image.fromarray(picture)
    for box in boxes:
        total = 0
        for scaled in (box[None], enlarge_boxes(box[None])):
            crop = whole.crop(tuple(integer_boxes(scaled)[0].tolist()))
            short, (width, height) = min(crop.size), crop.size
            size = (side * width // short, side * height // short)
            pixels = np.asarray(center_crop(crop.resize(size, Image.BICUBIC), [side, side]))
            tensor = torch.from_numpy(pixels.transpose(2, 0, 1).copy()).float() / 255
            total = total + clip.encode_image(((tensor - mean) / std)[None], normalize=False)
        rows.append(F.normalize(total, dim=1))
    return torch.cat(rows)


def features(args: argparse.Namespace) -> None:
    """Regions per second, one by one and together."""
    make = RandomClip if args.vit else ClipEncoder
    names = dict(model=VIT, pretrained="openai") if args.vit else MINI
    clip = make(**names, batch_size=64)
    fast_clip = make(**names, batch_size=64, image_dtype=args.precision)
    size = (640, 480) if args.vit else (256, 192)
    picture, boxes = make_image(*size, args.regions)
    image = torch.from_numpy(picture.transpose(2, 0, 1).copy())
    encoder = RegionEncoder(fast_clip)
    slow, expected = timed(lambda: one_by_one(clip, picture, boxes), args.repeats)
    fast, (found,) = timed(lambda: encoder.encode_images([image], [boxes]), args.repeats)
    crop, _ = timed(lambda: encoder.crops(image, boxes), args.repeats)
    cosine = (expected * found).sum(dim=1)
    print(f"one by one {len(boxes) / slow:.0f} regions/s, together {len(boxes) / fast:.0f}: "
          f"ratio {slow / fast:.1f}; crops alone {2 * len(boxes) / crop:.0f}/s; "
          f"cosine mean {cosine.mean():.6f}, worst {cosine.min():.6f}")  # fmt: skip


def prompts(args: argparse.Namespace) -> None:
    """Embedding class names with a context, forward and backward, at both lengths."""
    clip = RandomClip(VIT, "openai")
    lvis = Path("vovtrack/structures/data/lvis_v1.json")
    names = [row[1] for row in Config.fromfile(str(lvis)).categories][: args.classes]
    names = [name.replace("_", " ") for name in names]
    torch.manual_seed(0)
    results = []
    for full in (True, False):
        part = ContextPrompts(clip, names, full_length=full)
        context = torch.randn(8, part.context_dims, generator=torch.Generator().manual_seed(0))
        context.mul_(0.02).requires_grad_()

        def step(part=part, context=context):
            embeds = part.encode(context)
            return embeds, torch.autograd.grad(embeds.square().sum(), context)[0]

        seconds, (embeds, grad) = timed(step, args.repeats)
        results.append((part.length, seconds, embeds, grad))
    (long, slow, a, g), (short, fast, b, h) = results
    print(f"{len(names)} classes: length {long} {slow:.2f} s, length {short} {fast:.2f} s: ratio "
          f"{slow / fast:.1f}; embeddings differ by {((a - b).abs().max() / a.abs().max()):.1e}, "
          f"gradients by {((g - h).abs().max() / g.abs().max()):.1e}")  # fmt: skip


def step(args: argparse.Namespace) -> None:
    """A training step of stage 1, of mmdet's Mask R-CNN, and of the second trunk alone."""
    cfg = Config.fromfile("configs/lvis/detpro_ens_20e_corrected.py").model
    cfg.backbone.init_cfg = None
    cfg.train_cfg.rcnn.sampler.num = args.samples
    torch.manual_seed(0)
    ours = MODELS.build(cfg)
    ours.set_classes(ours.vocabulary, F.normalize(torch.randn(1203, 512), dim=1))
    plain = MODELS.build(ConfigDict(plain_mask_rcnn(cfg)))
    inputs, samples = make_batch(args)

    def train(model):
        model.zero_grad()
        losses = model.loss(inputs, deepcopy(samples))
        sum(v.sum() for k, x in losses.items() if "loss" in k
            for v in (x if isinstance(x, list) else [x])).backward()  # fmt: skip

    feats = tuple(f.detach().requires_grad_() for f in ours.extract_feat(inputs))

    def trunk():
        ours.roi_head.distillation_losses(feats, samples)[0].backward()

    regions = sum(len(sample.regions) for sample in samples)
    seconds = {
        name: timed(work, args.repeats)[0]
        for name, work in (
            ("Mask R-CNN", lambda: train(plain.train())),
            ("second trunk", trunk),
            ("stage 1", lambda: train(ours.train())),
        )
    }
    allowed = seconds["Mask R-CNN"] + seconds["second trunk"]
    listed = ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items())
    print(
        f"{len(samples)} images {args.height}x{args.width}, {regions} distilled regions: {listed}; "
        f"stage 1 / (Mask R-CNN + second trunk) = {seconds['stage 1'] / allowed:.2f}"
    )


def plain_mask_rcnn(cfg: Config) -> dict:
    """Mmdet's own detector of the same sizes, with a classifier over all classes."""
    model = deepcopy(cfg.to_dict())
    head = model["roi_head"]
    extractor = dict(head["bbox_roi_extractor"], type="SingleRoIExtractor")
    mask_extractor = dict(head["mask_roi_extractor"], type="SingleRoIExtractor")
    roi_head = dict(
        type="StandardRoIHead",
        bbox_roi_extractor=extractor,
        bbox_head=dict(
            type="Shared4Conv1FCBBoxHead",
            in_channels=256,
            fc_out_channels=1024,
            roi_feat_size=7,
            num_classes=1203,
            reg_class_agnostic=True,
            norm_cfg=dict(type="BN"),
            bbox_coder=head["bbox_head"]["bbox_coder"],
            loss_cls=dict(type="CrossEntropyLoss"),
            loss_bbox=dict(type="L1Loss"),
        ),
        mask_roi_extractor=mask_extractor,
        mask_head=head["mask_head"],
    )
    keys = ("data_preprocessor", "backbone", "neck", "rpn_head", "train_cfg", "test_cfg")
    return dict(type="MaskRCNN", roi_head=roi_head, **{key: model[key] for key in keys})


def make_batch(args: argparse.Namespace) -> tuple[torch.Tensor, list]:
    """Random images with objects, masks and regions."""
    shape, samples = (args.height, args.width), []
    for number in range(2):
        _, boxes = make_image(args.width, args.height, 8)
        _, regions = make_image(args.width, args.height, args.regions)
        sample = DetDataSample(
            metainfo=dict(img_shape=shape, pad_shape=shape, ori_shape=shape,
                          batch_input_shape=shape, scale_factor=(1.0, 1.0), img_id=number)
        )  # fmt: skip
        labels = torch.arange(8) * 100
        masks = BitmapMasks(np.ones((8, *shape), np.uint8), *shape)
        sample.gt_instances = InstanceData(bboxes=boxes, labels=labels, masks=masks)
        embeds = F.normalize(torch.randn(args.regions, 512), dim=1)
        sample.regions = InstanceData(bboxes=regions, embeds=embeds)
        samples.append(sample)
    return torch.randn(2, 3, *shape), samples


def main() -> None:
    """Run one benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("features", "prompts", "step"))
    parser.add_argument("--vit", action="store_true", help="features: a full-size random CLIP")
    parser.add_argument("--regions", type=int, default=300, help="per image")
    parser.add_argument("--precision", default="bfloat16", help="features: of the joint way")
    parser.add_argument("--classes", type=int, default=200, help="prompts: class names")
    parser.add_argument("--samples", type=int, default=512, help="step: regions of the losses")
    parser.add_argument("--height", type=int, default=320)
    parser.add_argument("--width", type=int, default=448)
    parser.add_argument("--repeats", type=int, default=3)
    args = parse(parser, regions=2, samples=16, classes=3, height=64, width=96, repeats=1)
    {"features": features, "prompts": prompts, "step": step}[args.what](args)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
