"""QDTrack on Faster R-CNN with a ResNet-50: 56.9 M parameters, 364 tensors.

Proposals and their training are those of the released weights. These saw images as `bgr_to_rgb`
says in the configs that use them; the default is RGB, as the backbone was pretrained.
"""

_base_ = "qdtrack_association.py"

num_classes = 8
nms = dict(type="nms", iou_threshold=0.7)

model = dict(
    type="QDTrack",
    detector=dict(
        type="ClosedSetRCNN",
        score_thresholds=dict(link=0.3, init=0.7, draw=0.5),
        data_preprocessor=dict(
            type="mmdet.ImagePreprocessor",
            mean=[123.675, 116.28, 103.53],
            std=[58.395, 57.12, 57.375],
            bgr_to_rgb=True,
            pad_size_divisor=32,
        ),
        backbone=dict(
            type="ResNet",
            depth=50,
            frozen_stages=1,
            norm_eval=True,
            style="pytorch",
            init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet50"),
        ),
        neck=dict(
            type="FPN",
            in_channels=[256, 512, 1024, 2048],
            out_channels=256,
            num_outs=5,
            init_cfg=dict(
                type="Kaiming",
                layer="Conv2d",
                a=1,
                mode="fan_in",
                nonlinearity="leaky_relu",
                distribution="uniform",
            ),
        ),
        rpn_head=dict(
            type="ProposalHead",
            in_channels=256,
            feat_channels=256,
            anchor_generator=dict(
                type="AnchorGenerator",
                scales=[8],
                ratios=[0.5, 1.0, 2.0],
                strides=[4, 8, 16, 32, 64],
            ),
            bbox_coder=dict(type="DeltaBoxCoder"),
            loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=True, loss_weight=1.0),
            loss_bbox=dict(type="SmoothL1Loss", beta=1 / 9, loss_weight=1.0),
        ),
        roi_head=dict(
            type="StandardRoIHead",
            bbox_roi_extractor=dict(
                type="LevelRoIExtractor",
                roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=0),
                out_channels=256,
                featmap_strides=[4, 8, 16, 32],
            ),
            bbox_head=dict(
                type="Shared2FCBBoxHead",
                in_channels=256,
                fc_out_channels=1024,
                roi_feat_size=7,
                num_classes=num_classes,
                bbox_coder=dict(type="DeltaBoxCoder", target_stds=[0.1, 0.1, 0.2, 0.2]),
                loss_cls=dict(type="CrossEntropyLoss", loss_weight=1.0),
                loss_bbox=dict(type="SmoothL1Loss", beta=1.0, loss_weight=1.0),
            ),
        ),
        train_cfg=dict(
            rpn=dict(
                # An anchor that an object claims may learn another object.
                assigner=dict(
                    type="OwnBestIoUAssigner", pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3
                ),
                sampler=dict(
                    type="RandomSampler", num=256, pos_fraction=0.5, add_gt_as_proposals=False
                ),
                # Only anchors inside of the image learn.
                allowed_border=0,
                pos_weight=-1.0,
            ),
            # Boxes without area are kept.
            rpn_proposal=dict(nms_pre=2000, max_per_img=1000, nms=nms, min_bbox_size=-1),
            rcnn=dict(
                assigner=dict(
                    type="MaxIoUAssigner",
                    pos_iou_thr=0.5,
                    neg_iou_thr=0.5,
                    min_pos_iou=0.5,
                    match_low_quality=False,
                ),
                sampler=dict(type="RandomSampler", num=512, pos_fraction=0.25),
                pos_weight=-1.0,
            ),
        ),
        test_cfg=dict(
            rpn=dict(nms_pre=1000, max_per_img=1000, nms=nms, min_bbox_size=-1),
            rcnn=dict(score_thr=0.05, nms=dict(type="nms", iou_threshold=0.5), max_per_img=100),
        ),
    ),
)
