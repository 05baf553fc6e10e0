"""A small open-vocabulary detector for the mini world, trained from scratch on a CPU."""

bn = dict(type="BN", requires_grad=True)
channels = 64

model = dict(
    type="OpenVocabDetector",
    vocabulary="{{ fileDirname }}/../../mini/vocabulary.json",
    data_preprocessor=dict(
        type="mmdet.DetDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32,
    ),
    backbone=dict(
        type="ResNet",
        depth=18,
        base_channels=24,
        stem_channels=24,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        frozen_stages=-1,
        norm_cfg=bn,
        norm_eval=False,
        style="pytorch",
    ),
    neck=dict(
        type="FPN", in_channels=[24, 48, 96, 192], out_channels=channels, num_outs=4, norm_cfg=bn
    ),
    rpn_head=dict(
        type="RPNHead",
        in_channels=channels,
        feat_channels=channels,
        anchor_generator=dict(
            type="AnchorGenerator", scales=[8], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32]
        ),
        bbox_coder=dict(type="DeltaXYWHBBoxCoder"),
        loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=True, loss_weight=1.0),
        loss_bbox=dict(type="L1Loss", loss_weight=1.0),
    ),
    roi_head=dict(
        type="OpenVocabRoIHead",
        bbox_roi_extractor=dict(
            type="PreciseRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=2),
            out_channels=channels,
            featmap_strides=[4, 8, 16, 32],
        ),
        bbox_head=dict(
            type="DualBranchBBoxHead",
            in_channels=channels,
            roi_feat_size=7,
            image_branch=False,
            branch=dict(
                num_convs=2, conv_channels=channels, hidden_dims=256, embed_dims=64, norm_cfg=bn
            ),
            bbox_coder=dict(
                type="DeltaXYWHBBoxCoder",
                target_means=[0.0, 0.0, 0.0, 0.0],
                target_stds=[0.1, 0.1, 0.2, 0.2],
            ),
            loss_bbox=dict(type="L1Loss", loss_weight=1.0),
        ),
        classifier=dict(
            type="TextBankClassifier",
            embed_dims=64,
            text_encoder=dict(
                type="ClipTextEncoder",
                model="{{ fileDirname }}/../../mini/clip_mini.json",
                pretrained="{{ fileDirname }}/../../../saved_models/mini/clip_mini.safetensors",
                templates=["a photo of a {}"],
            ),
            train_temperature=0.01,
            test_temperature=0.01,
        ),
        repeat_softmax=False,
        thresholds=dict(detect=0.05, match=0.1, init=0.3, draw=0.3),
        train_on="base",
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type="MaxIoUAssigner",
                pos_iou_thr=0.7,
                neg_iou_thr=0.3,
                min_pos_iou=0.3,
                match_low_quality=True,
            ),
            sampler=dict(
                type="RandomSampler", num=128, pos_fraction=0.5, add_gt_as_proposals=False
            ),
            allowed_border=-1,
            pos_weight=-1,
        ),
        rpn_proposal=dict(
            nms_pre=400, max_per_img=200, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=4
        ),
        rcnn=dict(
            assigner=dict(
                type="MaxIoUAssigner",
                pos_iou_thr=0.5,
                neg_iou_thr=0.5,
                min_pos_iou=0.5,
                match_low_quality=False,
            ),
            sampler=dict(type="RandomSampler", num=64, pos_fraction=0.5),
            pos_weight=-1,
        ),
    ),
    test_cfg=dict(
        rpn=dict(
            nms_pre=300, max_per_img=100, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=4
        ),
        rcnn=dict(nms=dict(type="nms", iou_threshold=0.5, class_agnostic=True), max_per_img=30),
    ),
)
