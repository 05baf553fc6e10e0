"""A small open-vocabulary detector for the mini world, trained from scratch on a CPU.

Text branch only: without distillation there is nothing to teach an image branch.
"""

_base_ = "openvocab_r50.py"

channels = 64

model = dict(
    vocabulary="{{ fileDirname }}/../../mini/vocabulary.json",
    # What CLIP expects: its image tower is the backbone.
    data_preprocessor=dict(mean=[122.771, 116.746, 104.094], std=[68.501, 66.632, 70.323]),
    backbone=dict(
        _delete_=True,
        type="ClipTrunk",
        model="{{ fileDirname }}/../../mini/clip_mini.json",
        init_cfg=dict(
            type="Pretrained",
            checkpoint="{{ fileDirname }}/../../../saved_models/mini/clip_mini.safetensors",
        ),
    ),
    neck=dict(in_channels=[64, 128, 256], out_channels=channels, num_outs=4),
    rpn_head=dict(
        in_channels=channels,
        feat_channels=channels,
        anchor_generator=dict(strides=[4, 8, 16, 32]),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(
            roi_layer=dict(sampling_ratio=2), out_channels=channels, featmap_strides=[4, 8, 16]
        ),
        bbox_head=dict(
            in_channels=channels,
            image_branch=False,
            branch=dict(num_convs=2, conv_channels=channels, hidden_dims=256, embed_dims=64),
        ),
        classifier=dict(
            embed_dims=64,
            text_bank=None,
            text_encoder=dict(
                model="{{ fileDirname }}/../../mini/clip_mini.json",
                pretrained="{{ fileDirname }}/../../../saved_models/mini/clip_mini.safetensors",
                templates=["a photo of a {}"],
            ),
            test_temperature=0.01,
            context="{{ fileDirname }}/../../mini/vocabulary.json",
        ),
        fusion=None,
        score_rule=dict(
            _delete_=True,
            type="ProbabilityScores",
            detect=0.05,
            link=0.1,
            init=0.3,
            draw=0.3,
            distractor=0.5,
        ),
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
            pos_weight=-1.0,
        ),
        rpn_proposal=dict(
            nms_pre=400, max_per_img=200, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=4.0
        ),
        rcnn=dict(
            assigner=dict(
                type="MaxIoUAssigner",
                pos_iou_thr=0.5,
                neg_iou_thr=0.5,
                min_pos_iou=0.5,
                match_low_quality=False,
            ),
            sampler=dict(type="RandomSampler", num=48, pos_fraction=0.5),
            pos_weight=-1.0,
        ),
    ),
    test_cfg=dict(
        rpn=dict(
            nms_pre=300, max_per_img=100, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=4.0
        ),
        rcnn=dict(nms=dict(type="nms", iou_threshold=0.5, class_agnostic=True), max_per_img=30),
    ),
)
