"""mmcv and mmdet with the stand-in, with a compiled extension, and with a broken one."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
import torch
from mmcv.cnn import build_norm_layer
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from vovtrack import compat
from vovtrack.registry import MODELS


def run_with_extension(folder, source, script):
    """Output of a script in a process whose mmcv contains ``_ext.py`` with this source."""
    (folder / "_ext.py").write_text(source)
    code = f"import mmcv\nmmcv.__path__.append({str(folder)!r})\n" + textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_an_extension_that_can_be_imported_wins(tmp_path):
    out, _ = run_with_extension(
        tmp_path,
        "def nms(boxes, scores, iou_threshold, offset):\n    return scores.argsort()[:1]\n",
        """
        from vovtrack import compat
        compat.install()
        import sys, mmcv
        print(compat.operator_backend(), sys.modules["mmcv._ext"].__file__)
        """,
    )
    assert out.strip() == f"mmcv compiled extension {tmp_path / '_ext.py'}"


def test_an_extension_that_does_not_load_is_replaced_with_a_warning(tmp_path):
    out, err = run_with_extension(
        tmp_path,
        "raise ImportError('undefined symbol: _ZN3c10')",
        """
        from vovtrack import compat
        compat.install()
        import mmcv.ops, torch
        print(compat.operator_backend(), mmcv.ops.nms(torch.ones(1, 4), torch.ones(1), 0.5)[1])
        """,
    )
    assert out.startswith("torchvision ") and out.endswith("tensor([0])\n")
    assert "undefined symbol: _ZN3c10" in err and "Compile mmcv again" in err


def test_install_twice_changes_nothing():
    extension = sys.modules["mmcv._ext"]
    compat.install()
    compat.install()
    assert sys.modules["mmcv._ext"] is extension


@pytest.fixture
def faster_rcnn():
    """Faster R-CNN with an FPN, a few channels wide, for two classes."""
    torch.manual_seed(0)
    coder = dict(
        type="DeltaXYWHBBoxCoder", target_means=[0.0] * 4, target_stds=[0.1, 0.1, 0.2, 0.2]
    )
    sampler = dict(type="RandomSampler", num=32, pos_fraction=0.5, neg_pos_ub=-1)
    assigner = dict(type="MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.3)
    rpn = dict(assigner=assigner, sampler=sampler, allowed_border=-1, pos_weight=-1)
    nms = dict(type="nms", iou_threshold=0.7)
    proposals = dict(nms_pre=200, max_per_img=50, nms=nms, min_bbox_size=0)
    rcnn = dict(assigner=assigner, sampler={**sampler, "add_gt_as_proposals": True}, pos_weight=-1)
    cfg = ConfigDict(
        type="FasterRCNN",
        data_preprocessor=dict(type="DetDataPreprocessor", pad_size_divisor=32),
        backbone=dict(type="ResNet", depth=18, base_channels=8, stem_channels=8),
        neck=dict(type="FPN", in_channels=[8, 16, 32, 64], out_channels=8, num_outs=5),
        rpn_head=dict(
            type="RPNHead",
            in_channels=8,
            feat_channels=8,
            anchor_generator=dict(
                type="AnchorGenerator", scales=[8], ratios=[1.0], strides=[4, 8, 16, 32, 64]
            ),
            bbox_coder=coder,
        ),
        roi_head=dict(
            type="StandardRoIHead",
            bbox_roi_extractor=dict(
                type="SingleRoIExtractor",
                roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=0),
                out_channels=8,
                featmap_strides=[4, 8, 16, 32],
            ),
            bbox_head=dict(
                type="Shared2FCBBoxHead",
                in_channels=8,
                fc_out_channels=16,
                roi_feat_size=7,
                num_classes=2,
                bbox_coder=coder,
            ),
        ),
        train_cfg=dict(rpn=rpn, rpn_proposal=proposals, rcnn=rcnn),
        test_cfg=dict(
            rpn=proposals,
            rcnn=dict(score_thr=0.05, max_per_img=20, nms={**nms, "iou_threshold": 0.5}),
        ),
    )
    with DefaultScope.overwrite_default_scope("mmdet"):
        return MODELS.build(cfg)


def batch_with_objects():
    sample = DetDataSample(
        metainfo=dict(img_shape=(64, 96), ori_shape=(64, 96), scale_factor=(1, 1))
    )
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[5.0, 5, 40, 40], [50, 10, 90, 60]]), labels=torch.tensor([0, 1])
    )
    return dict(inputs=[torch.randint(256, (3, 64, 96), dtype=torch.uint8)], data_samples=[sample])


def test_faster_rcnn_trains_and_predicts(faster_rcnn):
    data = faster_rcnn.data_preprocessor(batch_with_objects(), training=True)
    losses = faster_rcnn(**data, mode="loss")
    total, _ = faster_rcnn.parse_losses(losses)
    total.backward()
    grads = [p.grad for p in faster_rcnn.roi_head.parameters()]
    assert all(g is not None and g.isfinite().all() for g in grads)
    assert faster_rcnn.neck.fpn_convs[0].conv.weight.grad.abs().sum() > 0
    faster_rcnn.eval()
    with torch.no_grad():
        (result,) = faster_rcnn.test_step(batch_with_objects())
    found = result.pred_instances
    assert len(found) > 0 and found.bboxes.shape == (len(found), 4)
    assert (found.bboxes >= 0).all() and (found.bboxes[:, 2] <= 96).all()


def test_sync_bn_without_processes_is_plain_bn():
    _, synced = build_norm_layer(dict(type="SyncBN"), 4)
    plain = torch.nn.BatchNorm2d(4)
    x = torch.randn(3, 4, 5, 5)
    torch.testing.assert_close(synced.train()(x), plain.train()(x))
    torch.testing.assert_close(synced.running_var, plain.running_var)
