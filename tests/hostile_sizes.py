"""Data configs that are well formed and ask for more than a machine has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

MINI = Path(__file__).parents[1] / "configs/mini"


def _clip(**text: Any) -> dict:
    return dict(
        embed_dim=64,
        vision_cfg=dict(image_size=64, layers=[1, 1, 1, 1], width=12, head_width=64),
        text_cfg=dict(context_length=32, vocab_size=4096, width=64, heads=4, layers=2) | text,
    )


def _detector(**changes: Any) -> dict:
    return dict(model=dict(detector=changes))


def _head(**branch: Any) -> dict:
    return _detector(roi_head=dict(bbox_head=dict(branch=branch)))


def _loader(**changes: Any) -> dict:
    return dict(test_dataloader=changes, train_dataloader=changes)


def _scale(*scale: float) -> dict:
    return dict(frame_scale=list(scale), test_pipeline=[dict(type="Resize", scale=list(scale))])


RESNET = dict(_delete_=True, type="ResNet", depth=18, base_channels=24, stem_channels=24)
SWIN = dict(_delete_=True, type="SwinTransformer", embed_dims=96)
VIEWS = [[dict(type="RandomFlip", prob=0.5)] * 20] * 20
MODELS = {
    "stem": _detector(backbone=RESNET | dict(stem_channels=2_000_000)),
    "stem_allowed": _detector(backbone=RESNET | dict(stem_channels=900_000)),
    "base_channels": _detector(backbone=RESNET | dict(base_channels=1_000_000)),
    "wide": _detector(backbone=RESNET | dict(base_channels=2000)),
    "layers": _detector(backbone=dict(SWIN, depths=[100_000, 2, 2, 2], num_heads=[3, 6, 12, 24])),
    "swin_dims": _detector(backbone=dict(SWIN, embed_dims=960_000)),
    "window": _detector(backbone=dict(SWIN, window_size=1_000_000)),
    "stages": _detector(backbone=dict(_delete_=True, type="HRNet", extra={}, in_channels=900_000)),
    "neck": _detector(neck=dict(out_channels=1_000_000)),
    "outs": _detector(neck=dict(num_outs=1_000_000)),
    "rpn": _detector(rpn_head=dict(feat_channels=1_000_000)),
    "anchors": _detector(rpn_head=dict(anchor_generator=dict(ratios=[0.5] * 1900))),
    "octaves": _detector(
        rpn_head=dict(
            anchor_generator=dict(scales=None, octave_base_scale=8, scales_per_octave=1_000_000)
        )
    ),
    "convs": _head(num_convs=900_000),
    "channels": _head(conv_channels=1_000_000),
    "hidden": _head(hidden_dims=1_000_000, embed_dims=1_000_000),
    "number": _detector(backbone=RESNET | dict(stem_channels=10**30)),
    "infinite": _detector(backbone=RESNET | dict(stem_channels=float("inf"))),
    "negative": _detector(backbone=RESNET | dict(base_channels=-5)),
    "not_a_number": dict(model=dict(tracker=dict(memo_frames=float("nan")))),
    "scale": _scale(100_000, 100_000),
    "scale_allowed": _scale(4000, 4000)
    | _detector(backbone=RESNET, neck=dict(in_channels=[24, 48, 96, 192])),
    "tracker": dict(
        model=dict(tracker=dict(_delete_=True, type="mmdet.ResNet", depth=50, base_channels=9999))
    ),
}
"""Every verb that reads a config refuses these."""
DATA = {
    "workers": _loader(num_workers=1_000_000),
    "batch": _loader(batch_size=1_000_000_000),
    "prefetch": _loader(num_workers=2, prefetch_factor=1_000_000),
    "times": dict(
        train_dataloader=dict(
            dataset=dict(_delete_=True, type="RepeatDataset", times=10**12, dataset={})
        )
    ),
    "crop": dict(train_pipeline=[dict(type="RandomCrop", crop_size=[200_000, 200_000])]),
    "pad": dict(test_pipeline=[dict(type="Pad", size_divisor=1_000_000)]),
    "ratio": dict(
        train_pipeline=[dict(type="RandomResize", scale=[256, 192], ratio_range=[1, 1e5])]
    ),
    "views": dict(tta_pipeline=[dict(type="TestTimeAug", transforms=VIEWS)]),
    "refetch": _loader(dataset=dict(max_refetch=10**9)),
    "device": _loader(dataset=dict(ann_file="/dev/zero")),
    "device_below": _loader(dataset=dict(data_root="/", ann_file="dev/zero")),
    "device_up": _detector(vocabulary="/./dev/../dev/zero"),
}
CLIPS = {
    "clip_width": _clip(width=1_000_000),
    "clip_layers": _clip(layers=1_000_000),
    "clip_words": _clip(vocab_size=1 << 40),
    "clip_length": _clip(context_length=1 << 30),
    "clip_heads": _clip(heads=0),
}
"""Descriptions of a CLIP, which a data config names."""


def write_sizes(folder: Path, base: str = "ovtrack.py") -> Iterator[Path]:
    """Write one config for each size that is too large."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {**MODELS, **DATA}.items():
        path = folder / f"size_{name}.yaml"
        path.write_text(yaml.safe_dump({"_base_": str(MINI / base), **content}))
        yield path
