"""QDTrack: which image teaches what, and that a few steps teach something."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config, ConfigDict
from mmengine.structures import InstanceData

from ovtrack.models import QDTrack
from ovtrack.models.embedding_tracker import DETECTOR_PARTS
from ovtrack.trackers import QuasiDenseTracker
from tests.ovtrack.models.test_embedding_tracker import SIZE, closed_detector
from vovtrack.errors import InputError
from vovtrack.registry import MODELS

ASSIGNER = dict(type="MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.3)
DETECTION = {"loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox", "acc"}
ASSOCIATION = {"loss_track", "loss_track_aux", "positive_pairs"}


def sampler(number: int) -> dict:
    return dict(type="RandomSampler", num=number, pos_fraction=0.5, add_gt_as_proposals=True)


@pytest.fixture
def make(repo_root):
    """A tiny QDTrack; ``certain`` takes all regions, so that nothing is random."""
    parts = Config.fromfile(repo_root / "configs/_base_/models/mini_association.py").association
    common = dict(allowed_border=-1, pos_weight=-1, debug=False)
    train_cfg = dict(
        rpn=dict(assigner=ASSIGNER, sampler=sampler(64), **common),
        rpn_proposal=dict(
            nms_pre=50, max_per_img=30, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0
        ),
        rcnn=dict(assigner=dict(ASSIGNER, match_low_quality=False), sampler=sampler(32), **common),
    )

    def build(certain: bool = False, **changes) -> QDTrack:
        torch.manual_seed(0)
        choice = dict(num=10**6, neg_pos_ub=-1) if certain else {}
        config = dict(
            type="QDTrack",
            detector=ConfigDict(closed_detector(), train_cfg=train_cfg),
            track_head=parts.track_head,
            pair_sampler=dict(
                parts.pair_sampler, sampler=dict(parts.pair_sampler.sampler, **choice)
            ),
            tracker=dict(type="QuasiDenseTracker"),
            **changes,
        )
        model = MODELS.build(config)
        model.init_weights()
        return model.train()

    return build


def frame(t: int) -> dict:
    """One picture of a video: three textured squares that move over noise."""
    generator = torch.Generator().manual_seed(1)
    picture = torch.randint(110, 140, (3, *SIZE), generator=generator, dtype=torch.uint8)
    side, boxes = 24, []
    for number in range(3):
        texture = torch.randint(256, (3, 4, 4), generator=generator, dtype=torch.uint8)
        x, y = 4 + 40 * number + 3 * t, 8 + 25 * number - 2 * t
        square = texture.repeat_interleave(side // 4, 1).repeat_interleave(side // 4, 2)
        picture[:, y : y + side, x : x + side] = square[:, : SIZE[0] - y, : SIZE[1] - x]
        boxes.append([x, y, min(x + side, SIZE[1]), min(y + side, SIZE[0])])
    sample = DetDataSample(
        metainfo=dict(img_shape=SIZE, ori_shape=SIZE, scale_factor=(1.0, 1.0), frame_id=t)
    )
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float),
        labels=torch.tensor([0, 1, 1]),
        instances_ids=torch.tensor([7, 0, 9]),
    )
    return dict(inputs=picture, data_samples=sample)


def batch(*times: int) -> dict[str, list]:
    frames = [frame(t) for t in times]
    return {key: [own[key] for own in frames] for key in frames[0]}


def losses_of(model: QDTrack, data: dict) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return model(**model.data_preprocessor(copy.deepcopy(data), training=True), mode="loss")


def test_detector_and_head_train_together(make):
    model = make()
    losses = losses_of(model, batch(0, 1, 2, 3))
    assert losses.keys() == DETECTION | ASSOCIATION and losses["positive_pairs"] > 0
    model.parse_losses(losses)[0].backward()
    trained = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert {".".join(name.split(".")[:2]) for name in trained} >= {
        *(f"detector.{part}" for part in DETECTOR_PARTS), "track_head.fc_embed",
    }  # fmt: skip


def test_only_key_images_teach_the_detector(make):
    data = batch(0, 1)
    changed = copy.deepcopy(data)
    changed["inputs"][1] = 255 - changed["inputs"][1]
    changed["data_samples"][1].gt_instances.labels += 1
    model = make()
    before, after = losses_of(model, data), losses_of(model, changed)
    assert all(torch.equal(before[name], after[name]) for name in DETECTION)
    assert not torch.equal(before["loss_track"], after["loss_track"])
    samples = changed["data_samples"]
    assert samples[0].gt_instances.labels.tolist() == [0, 1, 1], "the classes are left alone"


def test_association_moves_the_maps_of_both_images(make):
    model = make(certain=True)
    data = model.data_preprocessor(batch(0, 2), training=True)
    views = [model.look_at(range(i, 2, 2), **renamed(data)) for i in range(2)]
    for view in views:
        view.feats[0].retain_grad()
    model.association_loss(views, data["data_samples"])["loss_track"].backward()
    assert all(view.feats[0].grad.any() for view in views)
    assert model.detector.rpn_head.rpn_cls.weight.grad is None


def renamed(data: dict) -> dict:
    return dict(batch_inputs=data["inputs"], batch_data_samples=data["data_samples"])


def test_a_frozen_detector_has_no_losses(make):
    losses = losses_of(make(freeze=DETECTOR_PARTS), batch(0, 1))
    assert losses.keys() == ASSOCIATION


def test_every_reference_counts_alike(make):
    one = losses_of(make(certain=True, freeze=DETECTOR_PARTS), batch(0, 1, 2, 3))
    model = make(certain=True, freeze=DETECTOR_PARTS, num_views=3)
    twice = losses_of(model, batch(0, 1, 1, 2, 3, 3))
    for name in ("loss_track", "loss_track_aux"):
        torch.testing.assert_close(twice[name], one[name])
    assert twice["positive_pairs"] == 2 * one["positive_pairs"] > 0


def test_a_few_steps_teach_to_tell_objects_apart(make):
    model = make(certain=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    found = []
    for step in range(20):
        losses = losses_of(model, batch(step % 4, (step + 1) % 4))
        optimizer.zero_grad()
        model.parse_losses(losses)[0].backward()
        optimizer.step()
        found.append(losses["loss_track"].item())
    assert np.isfinite(found).all() and sum(found[-4:]) < 0.5 * sum(found[:4])


def test_certain_embeddings_keep_every_identity():
    tracker = QuasiDenseTracker(init_score_thr=0.7, obj_score_thr=0.3)
    for t in range(8):
        objects = frame(t % 4)["data_samples"].gt_instances
        order = torch.tensor([0, 1, 2]).roll(t)
        out = tracker.update(
            InstanceData(
                bboxes=objects.bboxes[order],
                labels=objects.labels[order],
                scores=torch.tensor([0.9, 0.85, 0.8]),
                embeds=10 * torch.eye(3)[order],
            ),
            t,
        )
        assert out.instances_id.tolist() == [0, 1, 2]
        assert torch.equal(out.bboxes, objects.bboxes)


class Reaching:
    """A tracker that reports one box, larger than the image on all sides."""

    fields = ()

    def reset(self) -> None:
        """Nothing is remembered."""

    def update(self, instances: InstanceData, frame_id: int) -> InstanceData:
        box = torch.tensor([[-9.0, -9, SIZE[1] + 9, SIZE[0] + 9]])
        one = torch.tensor([1])
        return InstanceData(bboxes=box, scores=one.float(), labels=one, instances_id=one)


@pytest.mark.parametrize(("clips", "reach"), [(True, 0), (False, 9)])
def test_boxes_of_tracks_end_at_the_image_unless_asked_otherwise(make, clips, reach):
    model = make(vocabulary=list("abcde"), clip_tracks=clips).eval()
    model.tracker = Reaching()
    data = model.data_preprocessor(batch(0))
    (sample,) = model(**data, mode="predict")
    expected = [[-reach, -reach, SIZE[1] + reach, SIZE[0] + reach]]
    assert sample.pred_track_instances.bboxes.tolist() == expected
    assert sample.vocabulary == model.vocabulary.fingerprint


def test_classes_without_names_are_told(make):
    with pytest.raises(InputError, match=r"have no names: set model\.vocabulary"):
        assert make().vocabulary


def test_other_classes_are_refused(make):
    model = make(vocabulary=list("abcde"))
    model.set_classes("a, b, c, d, e")
    with pytest.raises(InputError, match=r"trained on the classes a, b, c, d, e .* \(zebra\)"):
        model.set_classes("zebra")
