"""The released model with weights and videos that are functions of their own names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor

import vovtrack.point  # noqa: F401  registers the model
from tests.places import ROOT
from tests.recorded import Recorded
from tests.seeded import normal, seeded_state_dict
from vovtrack.point.follower import PointFollower
from vovtrack.point.models import PointState, Prediction, TrackOn, TrackOn2
from vovtrack.registry import MODELS

CONFIG = ROOT / "configs/_base_/models/trackon.py"
FACTORS = {
    r"vit_encoder\.pos_embed$": 400,
    r"time_embedding$": 30,
    r"\.gamma$": 10,
    r"level_embed$": 10,
    r"mha\.out_proj\.weight$": 0.3,
    r"\.\d+\.linear2\.weight$": 0.3,
    r"vis_layer\.weight$": 3,
}
"""Keys -> what the recordings multiply their draws by, so that errors show."""
CHANNELS2 = 64
"""Of the small Track-On2: two in each group of its norms."""
POSITIONS = "backbone.frame_pos_embedding"
VISIBLE_BIAS = "visibility_head.vis_layer.bias"


def seeded_weights(shapes: Mapping[str, Any], salt: str) -> dict[str, Tensor]:
    """The weights of the recordings."""
    weights = seeded_state_dict(dict(shapes), salt)
    for key in weights:
        for pattern, factor in FACTORS.items():
            if re.search(pattern, key):
                weights[key] = weights[key] * factor
    weights[POSITIONS] = weights[POSITIONS] * 4 * math.sqrt(np.prod(shapes[POSITIONS][1:]))
    weights[VISIBLE_BIAS] = weights[VISIBLE_BIAS] + 6
    return weights


def released(recorded: Recorded, size: tuple[int, int], **test: Any) -> TrackOn:
    """The released model with seeded weights.

    Args:
        recorded: Names the salt and the keys.
        size: (H, W) of the input.
        **test: Changes of its ``test_cfg``.
    """
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict({"model": dict(input_size=tuple(size), test_cfg=test)})
    model = MODELS.build(cfg.model)
    shapes = dict(recorded.json("checkpoint_keys_v1.json"))
    shapes[POSITIONS] = [*shapes[POSITIONS][:2], size[0] // 4, size[1] // 4]
    model.load_state_dict(seeded_weights(shapes, recorded.salt), strict=True)
    return model.eval()


def small() -> TrackOn:
    """A small Track-On with weights drawn at random."""
    backbone = dict(type="ViTAdapter", embed_dims=48, depth=4, num_heads=3, adapter_heads=3)
    cfg = Config.fromfile(CONFIG).model
    return _small(cfg, backbone=backbone, layer=dict(num_heads=4))


def small2(**changes: Any) -> TrackOn2:
    """A small Track-On2 with weights drawn at random.

    Args:
        **changes: Of its config.
    """
    backbone = dict(type="ResidualEncoder", embed_dims=16, blocks=1, outputs=4)
    cfg = Config.fromfile(ROOT / "configs/trackon/mini2.py").model
    return _small(cfg, **{"backbone": backbone, "embed_dims": CHANNELS2, **changes})


def _small(cfg: Any, **changes: Any) -> Any:
    torch.manual_seed(1)
    given = dict(input_size=(64, 96), embed_dims=32, test_cfg=dict(memory=4, support_grid=2))
    for key, value in {**given, **changes}.items():
        cfg[key] = value
    model = MODELS.build(cfg)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 and "backbone" not in name:
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    return model


def seeded_video(frames: int, size: tuple[int, int], shift: int, salt: str) -> Tensor:
    """The video (1, T, 3, H, W) of the recordings, RGB from 0 to 255: noise that moves left."""
    height, width = size
    wide = width + shift * frames
    coarse = normal((1, 3, -(-height // 8), -(-wide // 8)), salt, "video")
    coarse = coarse.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)
    fine = normal((1, 3, height, wide), salt, "video", "fine")
    image = (128 + 50 * coarse[..., :height, :wide] + 12 * fine).clamp(0, 255).round()
    return torch.stack([image[0, ..., shift * t : shift * t + width] for t in range(frames)])[None]


def remember_frames(model: TrackOn) -> TrackOn:
    """The model, which encodes a frame that it has seen before no second time."""
    encode, seen = model.encode, {}

    def encode_once(frames: Tensor) -> Tensor:
        key = frames.numpy().tobytes()
        if key not in seen:
            seen[key] = encode(frames)
        return seen[key]

    model.encode = encode_once
    return model


def record(
    model: TrackOn, video: Tensor, queries: Tensor, patches: int, map_steps: tuple[int, int]
) -> Iterator[tuple[int, dict[str, Tensor], Tensor]]:
    """Follow points, and keep what all parts of the model gave.

    Args:
        model: Is watched while this goes on.
        video: (T, 3, H, W).
        queries: (N, 3).
        patches: Of so many logits one was recorded.
        map_steps: The same for channels of maps, and for rows and columns.

    Yields:
        Of each frame its number, its arrays by recorded name, and the rows of queries that these
        have.
    """
    found: dict[str, Any] = {}
    step, (channels, cells) = model.step, map_steps

    def watched(state: PointState, tokens: Tensor, logits: bool) -> Prediction:
        said = found["said"] = step(state, tokens, logits=True)
        found.update(tokens=tokens, mem_write=state.spatial[:, :, -1], q_init=state.initial)
        return said

    def keep(name: str, inputs: tuple, output: Any) -> None:
        found[name] = output
        if name == "q_dec":
            found["q_start"] = inputs[0]

    parts = {
        "decoded": model.feature_decoder,
        "q_dec": model.query_decoder,
        "q1": model.projection1,
        "rerank": model.rerank_module,
        "q2": model.projection2,
    }
    hooks = [
        part.register_forward_hook(lambda _, *call, name=name: keep(name, *call))
        for name, part in parts.items()
    ]
    model.step = watched
    follower, support = PointFollower(model), model.test_settings.support_grid**2
    order = queries[:, 0].argsort(stable=True)
    for number, frame in enumerate(video):
        follower.add(queries[order[queries[order, 0] == number], 1:])
        follower.step(frame)
        said = found["said"]
        arrays = {
            name: found[name][0, support:] for name in ("q_start", "q_dec", "q1", "q2", "mem_write")
        }
        arrays |= {
            name: found[name][0].T.unflatten(-1, model.grid)[::channels, ::cells, ::cells]
            for name in ("tokens", "decoded")
        }
        arrays |= dict(
            q_init=found["q_init"][0, support:],
            q_rerank=found["rerank"][0][0, support:],
            c1=said.c1[0, support:, ::patches],
            c2=said.c2[0, support:, ::patches],
            top_points=said.top_points[0, support:],
            top_unc=said.top_unc[0, support:],
            offsets=said.offsets[:, 0, support:],
            patch=said.patch[0, support:],
            point=said.points[0, support:],
            vis_logit=said.visible_logit[0, support:],
            unc_logit=said.uncertainty_logit[0, support:],
            grid_points=said.points[0, :support],
        )
        yield number, arrays, order[queries[order, 0] <= number]
    for hook in hooks:
        hook.remove()
    del model.step
