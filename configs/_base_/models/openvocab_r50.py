"""Open-vocabulary detector on a ResNet-50, with a text and an image branch."""

_base_ = "resnet50.py"

bn = {{_base_.bn}}

model = dict(
    type="OpenVocabDetector",
    vocabulary="tao_validation",
    data_preprocessor=dict(
        type="mmdet.ImagePreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32,
        # Batches in pinned memory move to a GPU while the CPU works on.
        non_blocking=True,
    ),
    neck=dict(
        type="FPN", in_channels=[256, 512, 1024, 2048], out_channels=256, num_outs=5, norm_cfg=bn
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
        loss_bbox=dict(type="L1Loss", loss_weight=1.0),
    ),
    roi_head=dict(
        type="OpenVocabRoIHead",
        bbox_roi_extractor=dict(
            type="PreciseRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=0),
            out_channels=256,
            featmap_strides=[4, 8, 16, 32],
        ),
        bbox_head=dict(
            type="DualBranchBBoxHead",
            in_channels=256,
            roi_feat_size=7,
            num_classes=1203,
            branch=dict(
                num_convs=4, conv_channels=256, hidden_dims=1024, embed_dims=512, norm_cfg=bn
            ),
            bbox_coder=dict(
                type="DeltaBoxCoder",
                target_means=[0.0, 0.0, 0.0, 0.0],
                target_stds=[0.1, 0.1, 0.2, 0.2],
            ),
            loss_bbox=dict(type="L1Loss", loss_weight=1.0),
        ),
        classifier=dict(
            type="TextBankClassifier",
            embed_dims=512,
            text_bank="saved_models/pretrained_models/detpro_prompt.pt",
            text_encoder=dict(type="ClipEncoder", model="ViT-B-32-quickgelu", pretrained="openai"),
            train_temperature=0.01,
            test_temperature=0.007,
        ),
        fusion=dict(type="GeometricScoreFusion", alpha=1 / 3, novel_mask="released"),
        score_rule=dict(type="RepeatedSoftmaxScores", uniform_factor=1.001, draw=0.05),
    ),
    test_cfg=dict(
        rpn=dict(
            nms_pre=1000,
            max_per_img=1000,
            nms=dict(type="nms", iou_threshold=0.7),
            min_bbox_size=0.0,
        ),
        rcnn=dict(
            nms=dict(type="nms", iou_threshold=0.5, class_agnostic=True),
            max_per_img=50,
        ),
    ),
)
