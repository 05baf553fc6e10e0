"""The config for users' own videos: their words, no embedding file, thresholds that follow."""

from __future__ import annotations

import numpy as np
import torch

from ovtrack.online import OVOnlineTracker
from tests.pipelines import resized_to
from vovtrack.engine.run import load_config
from vovtrack.models.clip.encoder import ClipEncoder
from vovtrack.registry import MODELS

NAMES = ["red car", "dragon"]


def build():
    """The model of the config, with the mini CLIP: OpenAI's is not a file of this repository."""
    cfg = load_config(
        "configs/ovtrack-custom/ovtrack_r50_custom.py",
        cfg_options=[
            "model.detector.roi_head.classifier.text_encoder.model=configs/mini/clip_mini.json",
            "model.detector.roi_head.classifier.text_encoder.pretrained="
            "saved_models/mini/clip_mini.safetensors",
            "model.detector.roi_head.classifier.text_encoder.templates=name",
            "model.detector.roi_head.classifier.embed_dims=64",
            "model.detector.roi_head.bbox_head.branch.embed_dims=64",
            "model.detector.test_cfg.rpn.max_per_img=50",
        ],
    )
    torch.manual_seed(0)
    return MODELS.build(cfg.model)


def test_two_names_among_those_of_lvis(repository):
    model = build()
    model.set_classes(NAMES)
    classifier = model.detector.roi_head.classifier
    assert "car_(automobile)" not in classifier.competitors
    assert 1150 < len(classifier.competitors) < 1203
    # OVTrack's demonstration: image^0.7 text^0.3.
    fused = model.detector.roi_head.fusion(
        *torch.tensor([[[0.2, 0.3, 0.5]], [[0.05, 0.45, 0.5]]]).log(),
        model.detector.roi_head.text_weights,
    )
    torch.testing.assert_close(fused[0, 0], torch.tensor(0.05**0.7 * 0.2**0.3))
    given = model.tracker.thresholds
    assert (given.link, given.init, given.draw, given.distractor) == (0.02, 0.05, 0.05, 1.0)
    tracker = OVOnlineTracker(model, resized_to(160, 128))
    assert tracker.draw_threshold == 0.05 and tracker.names == tuple(NAMES)
    frame = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    for frame_id in range(2):
        tracks = tracker.step(frame)
        assert tracks.frame_id == frame_id and set(tracks.labels.tolist()) <= {0, 1}


def test_the_context_is_encoded_once_for_all_lists_of_names(repository, monkeypatch):
    first = build()
    first.set_classes(NAMES)
    context = first.detector.roi_head.classifier.context_embeds()
    rows = dict(zip(first.detector.roi_head.classifier.competitors, context, strict=True))

    def refuse(*_):
        raise AssertionError("no sentence needs to be read")

    monkeypatch.setattr(ClipEncoder, "_encode", refuse)
    second = build()
    second.set_classes(["a dog with a hat"])
    classifier = second.detector.roi_head.classifier
    assert "dog" not in classifier.competitors and "car_(automobile)" in classifier.competitors
    shared = [name in rows for name in classifier.competitors]
    expected = torch.stack([rows[name] for name in classifier.competitors if name in rows])
    assert torch.equal(classifier.context_embeds()[torch.tensor(shared)], expected)
