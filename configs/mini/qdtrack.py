"""QDTrack from scratch in minutes, on rendered videos in the form of BDD100K.

    vovtrack synth --format bdd100k --videos 320 --held-out 20 --frames 20 \
      --width 192 --height 128 --dial speed=8 --dial tints=0 --out work_dirs/qdtrack/world
    vovtrack train configs/mini/qdtrack.py --work-dir work_dirs/qdtrack

Classes are colours, under names of BDD100K.
"""

_base_ = [
    "../_base_/models/qdtrack_faster_rcnn_r50.py",
    "../_base_/datasets/bdd100k_tracks.py",
    "../_base_/schedules/mini_5e.py",
    "../_base_/default_runtime.py",
]

strides = [4, 8, 16]
model = dict(
    vocabulary={{_base_.classes}},
    freeze=("backbone",),  # it knows already, and few videos would make it forget
    detector=dict(
        # What CLIP expects: its image tower is the backbone.
        data_preprocessor=dict(mean=[122.771, 116.746, 104.094], std=[68.501, 66.632, 70.323]),
        backbone=dict(
            _delete_=True,
            type="ClipTrunk",
            model="{{ fileDirname }}/clip_mini.json",
            init_cfg=dict(
                type="Pretrained",
                checkpoint="{{ fileDirname }}/../../saved_models/mini/clip_mini.safetensors",
            ),
        ),
        neck=dict(in_channels=[64, 128, 256], out_channels=64, num_outs=3),
        rpn_head=dict(
            in_channels=64, feat_channels=64, anchor_generator=dict(strides=strides)
        ),
        roi_head=dict(
            bbox_roi_extractor=dict(out_channels=64, featmap_strides=strides),
            bbox_head=dict(in_channels=64, fc_out_channels=128),
        ),
        train_cfg=dict(
            rpn_proposal=dict(nms_pre=300, max_per_img=200),
            rcnn=dict(sampler=dict(num=64)),
        ),
        test_cfg=dict(rpn=dict(nms_pre=200, max_per_img=100)),
    ),
    track_head=dict(
        in_channels=64, conv_out_channels=64, fc_out_channels=256, embed_channels=128,
        norm_cfg=dict(num_groups=8),
    ),
    # Short videos whose objects come back: nothing is forgotten, and templates are averages.
    tracker=dict(
        match_score_thr=0.25, assignment="hungarian", memo_tracklet_frames=20, memo_momentum=0.4
    ),
    pair_sampler=dict(sampler=dict(num=128)),
)  # fmt: skip

data_root = "work_dirs/qdtrack/world/"
frame_scale = (192, 128)
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    dataset=dict(
        data_root=data_root,
        pipeline=[
            dict(type="LoadCheckedImage"),
            dict(type="LoadTrackAnnotations"),
            dict(type="RandomFlip", prob=0.5),
            dict(type="PackIdentityInputs"),
        ],
    ),
)
test_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        pipeline=[
            dict(type="LoadCheckedImage"),
            dict(type="Resize", scale=frame_scale, keep_ratio=True),
            dict(type="PackDetInputs", meta_keys={{_base_.frame_meta_keys}}),
        ],
    )
)
val_dataloader = test_dataloader
val_evaluator = dict(ann_file=data_root + "labels/box_track_20/val")
test_evaluator = dict(val_evaluator)

optim_wrapper = dict(optimizer=dict(lr=1e-3))
