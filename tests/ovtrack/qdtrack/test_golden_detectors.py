"""Both detectors and their embeddings, from the image on, as the original has them."""

from __future__ import annotations

import pytest
import torch
from mmdet.structures.bbox import bbox2roi

from tests.ovtrack.qdtrack.released import MODELS_OF, Released, alike, places_among, places_of
from vovtrack.registry import MODELS
from vovtrack.trackers.contract import share_thresholds


@pytest.fixture(scope="module", params=MODELS_OF)
def released(request, recorded):
    """Each recorded model; full-size nets run on one thread, as the recordings were made."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Released(recorded, f"inference_{request.param}.npz")
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def detector(released):
    return released.model.detector


@pytest.fixture(scope="module")
@torch.no_grad()
def first(released, detector):
    """(maps of the backbone, of the neck, proposals) of the first frame."""
    frame = released.frames()[0]
    maps = detector.backbone(frame)
    return maps, *detector.propose(frame, [released.sample()])


def numbered(released, name: str):
    """Recorded arrays ``name0``, ``name1``, ..."""
    count = 0
    while f"{name}{count}" in released.arrays:
        yield released[f"{name}{count}"]
        count += 1


def test_the_frames_are_those_that_were_recorded(released):
    seen = torch.cat(released.frames())[:, :, ::64, ::64]
    assert torch.equal(seen, released["image_check"])


def test_maps_of_backbone_and_neck(released, first):
    for name, maps in zip(("c", "fpn"), first[:2], strict=True):
        recorded = list(numbered(released, name))
        assert recorded and len(recorded) == len(maps)
        for ours, theirs in zip(maps, recorded, strict=True):
            alike(ours[0, :: ours.shape[1] // len(theirs)], theirs)


@torch.no_grad()
def test_maps_of_the_dense_head(released, detector, first):
    if "rpn_cls0" in released.arrays:
        head, names = detector.rpn_head, ("rpn_cls", "rpn_reg")
    else:
        head, names = detector.bbox_head, ("cls", "reg", "obj")
    for name, maps in zip(names, head(first[1]), strict=True):
        recorded = list(numbered(released, name))
        assert recorded and len(recorded) == len(maps)
        for ours, theirs in zip(maps, recorded, strict=True):
            alike(ours[0], theirs)


def same_proposals(released, found, name: str) -> None:
    """The recorded ones, the best, are among those found."""
    assert len(found) == released.arrays[f"num_{name}"]
    recorded, classes = released[name], f"{name[:-1]}_classes"
    labels = released[classes] if classes in released.arrays else torch.zeros(len(recorded)).long()
    places = places_among(found, recorded[:, :4], recorded[:, 4], labels)
    assert places.max() < 2 * len(recorded)
    assert (found.scores.diff() <= 0).all()


@torch.no_grad()
def test_proposals_in_test_and_training(released, detector, first):
    if "proposals" in released.arrays:
        same_proposals(released, first[2][0], "proposals")
    detector.training = True  # it alone: batch norms keep their statistics
    try:
        _, found = detector.propose(released.frames()[0], [released.sample()])
    finally:
        detector.training = False
    same_proposals(released, found[0], "train_proposals")


@torch.no_grad()
def test_regions_are_pooled_and_embedded(released, detector, first):
    regions = released["rois"]
    rois = bbox2roi([regions])
    extractor = getattr(detector, "roi_extractor", None) or detector.roi_head.bbox_roi_extractor
    assert torch.equal(extractor.levels_of(rois), released["roi_levels"])
    alike(released.model.embed(first[1], rois), released["roi_embeds"])
    if "roi_dets" not in released.arrays:
        return
    scores, deltas = detector.roi_head.bbox_head(detector.pool(first[1], rois))
    alike(scores, released["roi_cls_score"])
    alike(deltas, released["roi_bbox_pred"])
    found = detector.choose(regions, scores.softmax(1), deltas, meta=released.sample().metainfo)
    recorded = released["roi_dets"]
    places_of(found, recorded[:, :4], recorded[:, 4], released["roi_dets_classes"])


@torch.no_grad()
def test_detections_of_all_frames(released, detector):
    frames = released.frames()
    assert len(frames) > 1
    for number, frame in enumerate(frames):
        sample = released.sample(number)
        feats, proposals = detector.propose(frame, [sample])
        found = detector.detect(feats, proposals, [sample.metainfo])[0]
        found.embeds = released.model.embed(feats, bbox2roi([found.bboxes]))
        boxes, scores, classes, embeds = (
            released[f"det_{name}{number}"] for name in ("boxes", "scores", "classes", "embeds")
        )
        own = found[places_of(found, boxes, scores, classes)]
        assert (own.embeds - embeds).norm(dim=1).max() <= 1e-3 * embeds.norm(dim=1).mean()
        rescaled = detector.detect(feats, proposals, [sample.metainfo], rescale=True)[0]
        height, width = released.meta["images_hw"]
        original = released.meta["original_hw"]
        factors = torch.tensor([original[1] / width, original[0] / height]).repeat(2)
        torch.testing.assert_close(rescaled.bboxes, found.bboxes * factors)


@pytest.mark.parametrize("mode", ["default", "low"])
def test_tracks_of_all_frames(released, mode):
    """In original pixels; with the low thresholds many tracks live and weak detections count."""
    model = released.model
    settings = {} if mode == "default" else released.meta["tracker_low"]
    tracker = MODELS.build({**released.config.model.tracker, **settings})
    share_thresholds(tracker, model.score_thresholds)
    model.tracker = tracker
    for number, frame in enumerate(released.frames()):
        (sample,) = model.predict(frame, [released.sample(number)])
        tracks = sample.pred_track_instances
        boxes, scores, classes, ids = (
            released[f"{mode}_{name}{number}"] for name in ("boxes", "scores", "classes", "ids")
        )
        places = places_of(tracks, boxes, scores, classes)
        assert torch.equal(tracks.instances_id[places], ids)
        assert (tracks.instances_id.diff() > 0).all()
