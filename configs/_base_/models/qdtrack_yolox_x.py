"""QDTrack on YOLOX-x: 114.6 M parameters, 910 tensors.

Images are BGR from 0 to 255, padded with grey.
"""

_base_ = "qdtrack_association.py"

num_classes = 8
channels = 320
strides = [8, 16, 32]
bn = dict(type="BN", momentum=0.03, eps=0.001)
swish = dict(type="Swish")

model = dict(
    type="QDTrack",
    detector=dict(
        type="ClosedSetYOLOX",
        score_thresholds=dict(link=0.35, init=0.5, draw=0.5),
        data_preprocessor=dict(type="mmdet.ImagePreprocessor", pad_size_divisor=32, pad_value=114),
        backbone=dict(
            type="CSPDarknet",
            deepen_factor=1.33,
            widen_factor=1.25,
            out_indices=(2, 3, 4),
            spp_kernal_sizes=(5, 9, 13),
            norm_cfg=bn,
            act_cfg=swish,
        ),
        neck=dict(
            type="YOLOXPAFPN",
            in_channels=[320, 640, 1280],
            out_channels=channels,
            num_csp_blocks=4,
            norm_cfg=bn,
            act_cfg=swish,
        ),
        bbox_head=dict(
            type="YOLOXHead",
            num_classes=num_classes,
            in_channels=channels,
            feat_channels=channels,
            stacked_convs=2,
            strides=strides,
            norm_cfg=bn,
            act_cfg=swish,
            loss_bbox=dict(
                type="IoULoss", mode="square", eps=1e-16, reduction="sum", loss_weight=5.0
            ),
        ),
        roi_extractor=dict(
            type="LevelRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=0),
            out_channels=channels,
            featmap_strides=strides,
        ),
        train_cfg=dict(
            assigner=dict(
                type="SimOTAAssigner",
                center_radius=2.5,
                candidate_topk=10,
                iou_weight=3.0,
                cls_weight=1.0,
            ),
            proposals=dict(
                score_thr=0.0,
                nms_pre=2000,
                nms=dict(type="nms", iou_threshold=0.7),
                max_per_img=1000,
            ),
        ),
        test_cfg=dict(score_thr=0.1, nms=dict(type="nms", iou_threshold=0.65)),
    ),
    track_head=dict(in_channels=channels),
)
