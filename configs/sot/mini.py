"""DiMP from scratch in minutes, on rendered videos of 128x128.

vovtrack synth --format got10k --videos 1200 --frames 24 --width 128 --height 128 --dial speed=2 \
  --dial crowd=0.7 --dial occlusion=0.5 --dial reentry=0 --seed 1 --out work_dirs/sot/world
vovtrack train configs/sot/mini.py --work-dir work_dirs/sot/run
vovtrack track clip.mp4 --config sot/mini --checkpoint FILE --box 40,30,24,20 --out tracked.mp4
"""

_base_ = [
    "../_base_/systems/sot.py",
    "../_base_/models/dimp18.py",
    "../_base_/box_trackers/dimp.py",
    "../_base_/datasets/target_clips.py",
    "../_base_/schedules/mini_5e.py",
    "../_base_/default_runtime.py",
]

# A search area of four targets in ten cells; the label is a quarter of a target wide.
jitter = dict(area=4.0, output=160)
model = dict(
    backbone=dict(stem_channels=16, base_channels=16, init_cfg=None),
    classifier=dict(in_channels=64, channels=64, blocks=0, optimizer=dict(steps=3, sigma=10 / 16)),
    iou_net=dict(in_channels=(32, 64), channels=64),
)
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(
        sources=[
            dict(
                reader=dict(format="single_object"),
                ann_file="work_dirs/sot/world/train",
                data_prefix=dict(img="work_dirs/sot/world/train"),
            )
        ],
        weights=None,
        gaps=dict(train=2, test=2, max_gap=15),
        samples=3200,
        pipeline=[
            dict(type="LoadTargetFrames"),
            dict(type="GreyTargets"),
            dict(type="MirrorTargets"),
            dict(type="CutSearchAreas", part="train", centre_jitter=2, scale_jitter=0.2, **jitter),
            dict(type="CutSearchAreas", part="test", centre_jitter=3, scale_jitter=0.35, **jitter),
            dict(type="DrawOverlapBoxes", count=16),
            dict(type="LabelCentres", size=10, sigma_factor=1 / 16),
            dict(type="PackTargets"),
        ],
    ),
)

online = dict(side=160, extent=4.0)
