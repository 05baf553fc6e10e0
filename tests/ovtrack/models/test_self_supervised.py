"""One step of stage 4: what trains, what drifts, and clips with nothing to compare."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData

from detpro.models import ProbabilityScores
from ovtrack.models.self_supervised import ClipObjects, to_source
from tests.fake_cuda import fake_cuda
from tests.waits import Waits
from vovtrack.errors import InputError
from vovtrack.registry import MODELS

FRAMES = 4
SIZE = (96, 128)
LOSSES = {"loss_cycle", "loss_spatial"}
COUNTS = {"objects", "clusters", "empty_clips"}


def make(repo_root, name="ovtrack_self_supervised", **changes):
    cfg = Config.fromfile(repo_root / f"configs/mini/{name}.py").model
    cfg.update(changes)
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    generator = torch.Generator().manual_seed(0)
    classes = torch.randn(len(model.vocabulary), 64, generator=generator)
    model.set_classes(model.vocabulary, F.normalize(classes, dim=1))
    # An untrained detector is sure of nothing.
    model.detector.roi_head.score_rule = ProbabilityScores(detect=0.0)
    model.score_thr = None
    return model.train()


def batch(clips: int, matrix=None):
    inputs = torch.randn(clips * FRAMES, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    metas = dict(
        img_shape=SIZE, pad_shape=SIZE, ori_shape=SIZE, scale_factor=(1.0, 1.0),
        clip_length=FRAMES, batch_input_shape=SIZE,
    )  # fmt: skip
    if matrix is not None:
        metas["homography_matrix"] = matrix
    return inputs, [DetDataSample(metainfo=metas) for _ in range(clips * FRAMES)]


@pytest.fixture(scope="module")
def model(repo_root):
    return make(repo_root)


def test_only_the_embedding_head_trains_and_nothing_drifts(model):
    before = {name: value.clone() for name, value in model.named_buffers()}
    losses = model.loss(*batch(2))
    assert set(losses) == LOSSES | COUNTS
    total, logged = model.parse_losses(losses)
    assert total == losses["loss_cycle"] + losses["loss_spatial"] and set(logged) > COUNTS
    total.backward()
    trained = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert trained and all(name.startswith("track_head.") for name in trained)
    assert len(trained) == len(list(model.track_head.parameters()))
    for name, value in model.named_buffers():
        assert torch.equal(value, before[name]), name


def test_raw_video_does_not_train_a_class_head(repo_root):
    head = Config.fromfile(repo_root / "configs/mini/ovtrack_classes.py").model.class_head
    model = make(repo_root, class_head=head)
    assert not any(p.requires_grad for p in model.class_head.parameters())
    assert all(p.requires_grad for p in model.track_head.parameters())


def test_statistics_of_neck_and_box_head_drift_as_released(repo_root):
    model = make(repo_root, "ovtrack_self_supervised_released")
    before = {name: value.clone() for name, value in model.named_buffers()}
    model.loss(*batch(1))
    changed = {
        name for name, value in model.named_buffers() if not torch.equal(value, before[name])
    }
    assert {name.split(".")[1] for name in changed} == {"neck", "roi_head"}


def test_a_batch_is_the_mean_of_its_clips(model):
    inputs, samples = batch(2)
    together = model.loss(inputs, samples)
    alone = [model.loss(inputs[s], samples[s]) for s in (slice(0, FRAMES), slice(FRAMES, None))]
    for name, value in together.items():
        mean = sum(part[name] for part in alone) / 2
        assert value.item() == pytest.approx(mean.item(), rel=1e-3)


def test_clips_without_detections_add_nothing(model):
    inputs, samples = batch(1)
    model.score_thr = 2.0
    losses = model.loss(inputs, samples)
    model.score_thr = None
    assert all(losses[name].item() == 0 for name in LOSSES | {"objects", "clusters"})
    assert losses["empty_clips"].item() == 1
    model.zero_grad()
    model.parse_losses(losses)[0].backward()
    assert all(p.grad is not None and not p.grad.any() for p in model.track_head.parameters())


def objects(counts, classes=3):
    generator = torch.Generator().manual_seed(0)

    def rows(n, d):
        return torch.rand(n, d, generator=generator)

    return ClipObjects(
        [rows(n, 8).requires_grad_() for n in counts],
        [torch.cat([corner := rows(n, 2) * 50, corner + 20], dim=1) for n in counts],
        [rows(n, 1)[:, 0] for n in counts],
        [F.one_hot(torch.arange(n) % classes, classes + 1).float() for n in counts],
    )


@pytest.mark.parametrize("clusters", ["modal", "each"])
@pytest.mark.parametrize("counts", [(0, 0, 0, 0), (1, 0, 0, 0), (1, 1, 1, 1), (5, 0, 7, 2)])
def test_any_number_of_objects(model, clusters, counts):
    found = objects(counts)
    model.clusters = clusters
    losses = model.clip_loss(found)
    model.clusters = "each"
    total = losses["loss_cycle"] + losses["loss_spatial"]
    grads = torch.autograd.grad(total, found.embeds, allow_unused=True)
    assert total.isfinite()
    assert all(grad is None or grad.isfinite().all() for grad in grads)


def test_objects_of_different_clusters_are_not_compared(model):
    found = objects((6, 6, 6))
    everything = model.clip_loss(found)["loss_cycle"]
    members = [torch.arange(6) % 3 == k for k in range(3)]
    parts = [model.cycle_loss([rows[member] for rows in found.embeds]) for member in members]
    model.num_clusters = 3
    assert model.clip_loss(found)["loss_cycle"].item() == pytest.approx(
        (sum(parts) / 3).item(), abs=1e-6
    )
    model.num_clusters = 8
    assert everything.isfinite()


def test_boxes_return_to_the_original_frame():
    flip = np.array([[-2.0, 0, 200], [0, 2, 0], [0, 0, 1]])
    boxes = torch.tensor([[10.0, 20, 30, 50]])
    found = to_source(boxes, dict(homography_matrix=flip))
    assert torch.allclose(found, torch.tensor([[85.0, 10, 95, 25]]))
    assert torch.equal(to_source(boxes, {}), boxes)
    assert to_source(boxes[:0], dict(homography_matrix=flip)).shape == (0, 4)


@pytest.mark.parametrize("wrong", [dict(clusters="largest"), dict(coordinates="world")])
def test_unknown_choices(repo_root, wrong):
    with pytest.raises(InputError, match="expected one of (modal, each|input, source)"):
        make(repo_root, **wrong)


def test_who_takes_part(model):
    """The best of those that overlap, if they are good enough; each frame by itself."""
    boxes = torch.tensor([[0.0, 0, 20, 20], [50, 0, 70, 20], [5, 0, 25, 20], [0, 50, 20, 70]])
    scores = torch.tensor([0.9, 0.8, 0.7, 0.2])
    found = [
        InstanceData(bboxes=boxes, scores=scores),
        InstanceData(bboxes=boxes[:0], scores=scores[:0]),
    ]
    model.max_overlap, model.score_thr = None, None
    assert [len(own) for own in model.select(found)] == [4, 0]
    model.max_overlap = 0.3
    assert torch.equal(model.select(found)[0].bboxes, boxes[[0, 1, 3]])
    model.score_thr = 0.8
    assert torch.equal(model.select(found)[0].scores, scores[:2])
    model.max_overlap = 0.7
    model.score_thr = 0.3
    assert [len(own) for own in model.select(found)] == [3, 0]
    model.score_thr = None


def test_a_threshold_that_no_score_reaches_is_refused(repo_root):
    cfg = Config.fromfile(repo_root / "configs/mini/ovtrack_self_supervised.py").model
    cfg.detector.roi_head.score_rule = dict(type="RepeatedSoftmaxScores")
    with pytest.raises(InputError, match=r"score_thr=0.3: .* at most 0.01\d+ with .* 168 classes"):
        MODELS.build(cfg)
    cfg.score_thr = 0.01
    MODELS.build(cfg)


def test_objects_and_clusters_are_logged(model):
    found = objects((6, 4, 5))  # in three clusters of 6, 5 and 4
    model.num_clusters = 3
    logged = {}
    for clusters in ("modal", "each"):
        model.clusters = clusters
        losses = model.clip_loss(found)
        logged[clusters] = {name: losses[name].item() for name in COUNTS}
    model.num_clusters = 8
    assert logged["modal"] == dict(objects=6, clusters=3, empty_clips=0)
    assert logged["each"] == dict(objects=15, clusters=3, empty_clips=0)


@pytest.mark.parametrize("clusters", ["modal", "each"])
def test_the_cpu_seldom_waits_for_a_clip(model, clusters):
    """Once for the clusters, and inside of their search: not once per frame or cluster."""
    found = objects((6, 4, 5, 0, 7, 6, 6, 3))
    model.clusters = clusters
    expected = model.clip_loss(found)
    with fake_cuda() as device:
        moved = ClipObjects(*([rows.detach().to(device) for rows in field] for field in found))
        with Waits() as waits:
            losses = model.clip_loss(moved)
        values = {name: value.item() for name, value in losses.items()}
    model.clusters = "each"
    assert len(waits.found) <= 3, waits.found
    assert values == pytest.approx({name: value.item() for name, value in expected.items()})


def test_tracklets_in_place_of_cycles(repo_root):
    model = make(repo_root, "ovtrack_self_supervised_tracklets")
    losses = model.loss(*batch(1))
    assert set(losses) == {"loss_tracklet"} | COUNTS
    losses["loss_tracklet"].backward()
    assert all(p.grad is not None and p.grad.any() for p in model.track_head.parameters())
    model.score_thr = 2.0
    model.zero_grad()
    nothing = model.loss(*batch(1))
    assert nothing["loss_tracklet"].item() == 0
    nothing["loss_tracklet"].backward()
    assert all(p.grad is not None and not p.grad.any() for p in model.track_head.parameters())


def test_a_model_without_any_loss_is_refused(repo_root):
    with pytest.raises(InputError, match="nothing to learn from: set model.cycle_loss"):
        make(repo_root, cycle_loss=None, spatial_loss=None)
