"""DetPro: Mask R-CNN on a ResNet-50 with learned prompts as classifier and CLIP distilled in.

61.5 M parameters, 444 tensors.
"""

_base_ = "openvocab_r50.py"

max_iou = dict(
    type="MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5, ignore_iof_thr=-1
)

model = dict(
    vocabulary="lvis_v1",
    data_preprocessor=dict(pad_mask=True),
    roi_head=dict(
        classifier=dict(
            text_bank="saved_models/pretrained_models/iou_neg5_ens.pth",
            # Without the file nothing takes its place.
            text_encoder=None,
        ),
        distillation=dict(type="RegionDistillation", loss_weight=256.0),
        fusion=dict(novel_mask="novel"),
        score_rule=dict(_delete_=True, type="ProbabilityScores", detect=1e-4),
        train_on="base",
        mask_roi_extractor=dict(
            type="PreciseRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=14, sampling_ratio=0),
            out_channels=256,
            featmap_strides=[4, 8, 16, 32],
        ),
        mask_head=dict(
            type="FCNMaskHead",
            num_convs=4,
            in_channels=256,
            conv_out_channels=256,
            num_classes=1,
            class_agnostic=True,
            loss_mask=dict(type="CrossEntropyLoss", use_mask=True, loss_weight=1.0),
        ),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type="MaxIoUAssigner",
                pos_iou_thr=0.7,
                neg_iou_thr=0.3,
                min_pos_iou=0.3,
                match_low_quality=True,
                ignore_iof_thr=-1,
            ),
            sampler=dict(
                type="RandomSampler", num=256, pos_fraction=0.5, add_gt_as_proposals=False
            ),
            allowed_border=-1,
            pos_weight=-1.0,
        ),
        rpn_proposal=dict(
            nms_pre=2000,
            max_per_img=1000,
            nms=dict(type="nms", iou_threshold=0.7),
            min_bbox_size=0.001,
        ),
        rcnn=dict(
            assigner=dict(**max_iou, match_low_quality=True),
            sampler=dict(type="RandomSampler", num=512, pos_fraction=0.25),
            mask_size=28,
            pos_weight=-1.0,
        ),
    ),
    test_cfg=dict(
        rpn=dict(min_bbox_size=0.001),
        rcnn=dict(
            nms=dict(class_agnostic=False),
            max_per_img=300,
            mask_thr_binary=0.5,
        ),
    ),
)
