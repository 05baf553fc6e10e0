"""QDTrack with Faster R-CNN on MOT17, 4 epochs on the first halves of its sequences.

It starts from a detector of COCO's persons, 8 GPUs x 2 pairs. Both views of a pair have the same
size, colours and mirror, and a crop each. Boxes may reach beyond the image, as they are annotated.
"""

_base_ = [
    "../_base_/models/qdtrack_faster_rcnn_r50.py",
    "../_base_/datasets/mot17.py",
    "../_base_/schedules/qdtrack_1x.py",
    "../_base_/default_runtime.py",
]

load_from = "saved_models/pretrained_models/faster_rcnn_r50_caffe_fpn_person_ap551.pth"
frame_scale = (1088, 1088)
model = dict(
    vocabulary={{_base_.classes}},
    clip_tracks=False,
    detector=dict(
        score_thresholds=dict(link=0.5, init=0.9),
        data_preprocessor=dict(
            mean=[103.530, 116.280, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False
        ),
        backbone=dict(style="caffe", norm_cfg=dict(type="BN", requires_grad=False), init_cfg=None),
        rpn_head=dict(bbox_coder=dict(clip_border=False)),
        roi_head=dict(bbox_head=dict(bbox_coder=dict(clip_border=False), num_classes=1)),
    ),
    track_head=dict(loss_track_aux=dict(neg_margin=0.1)),
    tracker=dict(memo_tracklet_frames=30),
)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="MixedPairDataset",
        dataset={{_base_.train_dataloader.dataset}},
        load=[
            dict(type="LoadCheckedImage", to_float32=True),
            dict(type="LoadTrackAnnotations"),
        ],
        mix=dict(
            type="MixSteps",
            steps=dict(
                resize=dict(
                    type="RandomResize",
                    scale=frame_scale,
                    ratio_range=(0.8, 1.2),
                    keep_ratio=True,
                    clip_object_border=False,
                ),
                colours=dict(type="PhotoMetricDistortion"),
                flip=dict(type="RandomFlip", prob=0.5),
            ),
        ),
        pipeline=dict(
            crop=dict(type="TrackRandomCrop", crop_size=frame_scale, bbox_clip_border=False),
            pack=dict(type="PackIdentityInputs"),
        ),
        share_mix=True,
    ),
)
test_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="LoadCheckedImage"),
            dict(type="Resize", scale=frame_scale, keep_ratio=True),
            dict(type="PackDetInputs", meta_keys={{_base_.frame_meta_keys}}),
        ]
    )
)
val_dataloader = test_dataloader
train_cfg = dict(max_epochs=4)
param_scheduler = [dict(type="MultiStepLR", milestones=[3], gamma=0.1, by_epoch=True)]
auto_scale_lr = dict(base_batch_size=16)
