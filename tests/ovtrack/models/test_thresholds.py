"""Thresholds reach the tracker on the scale of the scores that it is given."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData

from detpro.models import ProbabilityScores, RepeatedSoftmaxScores
from vovtrack.engine.packaged_trackers import find_tracker
from vovtrack.errors import InputError
from vovtrack.registry import MODELS
from vovtrack.trackers.contract import link, share_thresholds

PROBABILITIES = dict(link=0.1, init=0.3, draw=0.4, distractor=0.5)
TRACKERS = ("ovtracker", "iou", "sort", "bytetrack", "ocsort")


def frames(seed: int, count: int = 12) -> list[InstanceData]:
    """Objects that move apart and meet, with probabilities of all sizes in place of scores."""
    rng = np.random.default_rng(seed)
    centres, speeds = rng.uniform(50, 450, (8, 2)), rng.normal(0, 6, (8, 2))
    looks = rng.normal(0, 2, (8, 16))
    found = []
    for t in range(count):
        seen = rng.random(8) < 0.9
        middle = (centres + t * speeds)[seen]
        scores = rng.uniform(0.01, 0.99, len(middle))
        order = np.argsort(-scores)
        found.append(
            InstanceData(
                bboxes=torch.from_numpy(np.hstack([middle - 30, middle + 30])[order]).float(),
                scores=torch.from_numpy(scores[order]).float(),
                labels=torch.zeros(len(middle), dtype=torch.long),
                embeds=torch.from_numpy(looks[seen][order] + rng.normal(0, 0.3, (len(middle), 16))),
            )
        )
    return found


@pytest.mark.parametrize("name", TRACKERS)
@pytest.mark.parametrize("num_classes", [1, 10, 296, 1203])
def test_tracks_do_not_depend_on_the_scale_of_scores(name, num_classes, repository):
    tracker = MODELS.build(find_tracker(name))
    tracks = []
    for rule in (ProbabilityScores(**PROBABILITIES), RepeatedSoftmaxScores(**PROBABILITIES)):
        share_thresholds(tracker, rule.thresholds(num_classes))
        tracker.reset()
        own = []
        for t, frame in enumerate(frames(seed=num_classes)):
            scores = [rule.score_of(p, num_classes) for p in frame.scores.tolist()]
            given = InstanceData(**{**dict(frame.items()), "scores": torch.tensor(scores)})
            linked = link(tracker, given, t)
            own.append((linked.instances_id.tolist(), linked.bboxes.tolist()))
        tracks.append(own)
    assert tracks[0] == tracks[1]
    assert sum(len(ids) for ids, _ in tracks[0]) > 20


@pytest.mark.parametrize("num_classes", [2, 296])
@pytest.mark.parametrize(("distractor", "left"), [(1.0, 1), (0.5, 2)])
def test_two_boxes_leave_as_many_on_both_scales(num_classes, distractor, left, repository):
    boxes = torch.tensor([[0.0, 0, 10, 10], [4, 0, 14, 10]])  # their IoU is 0.43
    tracker = MODELS.build(find_tracker("ovtracker"))
    for kind in (ProbabilityScores, RepeatedSoftmaxScores):
        rule = kind(distractor=distractor)
        tracker.set_thresholds(rule.thresholds(num_classes))
        tracker.reset()
        scores = torch.tensor([rule.score_of(p, num_classes) for p in (0.9, 0.8)])
        frame = InstanceData(
            bboxes=boxes, scores=scores, labels=torch.zeros(2, dtype=torch.long),
            embeds=torch.eye(2),
        )  # fmt: skip
        assert len(link(tracker, frame, 0)) == left


def build(repo_root, **tracker):
    """The mini tracker with released scores and an untrained detector."""
    cfg = Config.fromfile(repo_root / "configs/mini/ovtrack.py").model
    cfg.detector.roi_head.score_rule = dict(
        type="RepeatedSoftmaxScores", uniform_factor=0.0, link=0.1, draw=0.4
    )
    cfg.tracker.update(tracker)
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    return model.eval()


def name_classes(model, count: int) -> None:
    embeds = torch.randn(count, 64, generator=torch.Generator().manual_seed(0))
    model.set_classes([f"thing {number}" for number in range(count)], F.normalize(embeds, dim=1))


def test_the_tracker_learns_the_thresholds_of_new_classes(repo_root):
    model = build(repo_root, init_score_thr=0.25)
    assert model.tracker.thresholds == model.score_thresholds._replace(init=0.25)
    for count in (3, 200):
        name_classes(model, count)
        given = model.tracker.thresholds
        assert given == model.detector.roi_head.score_rule.thresholds(count)._replace(init=0.25)
        assert given.link == pytest.approx(np.exp(0.1) / (np.exp(0.1) + count))


def predict(model, frame_id: int):
    meta = dict(
        img_shape=(96, 128), pad_shape=(96, 128), ori_shape=(96, 128), scale_factor=(1.0, 1.0),
        batch_input_shape=(96, 128), frame_id=frame_id,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(5)
    inputs = torch.randn(1, 3, 96, 128, generator=generator)
    return model.predict(inputs, [DetDataSample(metainfo=meta)])[0]


@pytest.mark.parametrize("metric", ["cosine", "bisoftmax"])
def test_class_embeddings_reach_the_tracker_that_asks_for_them(metric, repo_root):
    model = build(repo_root, match_metric=metric)
    model.detector.roi_head.classifier.context = None
    name_classes(model, 3)
    model.keep_observations = 2
    found = predict(model, 0)
    asked = metric == "cosine"
    assert len(found.pred_track_instances) > 1
    assert ("cls_embeds" in found.observations) == asked
    assert set(found.pred_track_instances.keys()) == {"bboxes", "scores", "labels", "instances_id"}
    if asked:
        kept = model.tracker.memory["cls_embeds"]
        assert kept.shape == (len(found.pred_track_instances), 64)
        np.testing.assert_allclose(np.linalg.norm(kept, axis=1), 1, rtol=1e-5)
        # The same frame again: cosine and gate find every object.
        again = predict(model, 1).pred_track_instances
        assert again.instances_id.tolist() == found.pred_track_instances.instances_id.tolist()


def test_detections_without_what_the_tracker_asks_for_are_refused(repository):
    tracker = MODELS.build(dict(find_tracker("ovtracker"), match_metric="cosine"))
    with pytest.raises(InputError, match="links by 'cls_embeds'.*detect with it as model.tracker"):
        link(tracker, frames(0)[0], 0)
