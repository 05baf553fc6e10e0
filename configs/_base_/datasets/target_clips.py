"""Frames of one target of LaSOT, GOT-10k, TrackingNet and COCO, as DiMP learns from.

TrackingNet's first four parts, and LaSOT's list of training. The list of GOT-10k's videos that are
not in VOT, which the published networks learned from, is 'names' of its reader, where it is at
hand; without it all are taken.
"""

side = 288
jitter = dict(area=5.0, output=side)
target_pipeline = [
    dict(type="LoadTargetFrames"),
    dict(type="GreyTargets"),
    dict(type="CutSearchAreas", part="train", centre_jitter=3.0, scale_jitter=0.25, **jitter),
    dict(type="CutSearchAreas", part="test", centre_jitter=4.5, scale_jitter=0.5, **jitter),
    dict(type="DrawOverlapBoxes"),
    dict(type="LabelCentres", size=18, sigma_factor=0.05),
    dict(type="PackTargets"),
]
train_dataloader = dict(
    batch_size=10,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="pseudo_collate"),
    dataset=dict(
        type="TargetClips",
        sources=[
            dict(
                reader=dict(format="single_object", names="data/lasot/training_set.txt"),
                ann_file="data/lasot",
                data_prefix=dict(img="data/lasot"),
            ),
            dict(
                reader=dict(format="single_object"),
                ann_file="data/got10k/train",
                data_prefix=dict(img="data/got10k/train"),
            ),
            *[
                dict(
                    reader=dict(format="single_object"),
                    ann_file=f"data/trackingnet/TRAIN_{part}",
                    data_prefix=dict(img=f"data/trackingnet/TRAIN_{part}"),
                )
                for part in range(4)
            ],
            dict(
                reader=dict(format="coco"),
                ann_file="data/coco/annotations/instances_train2017.json",
                data_prefix=dict(img="data/coco/train2017"),
            ),
        ],
        weights=[0.25, 1, 0.25, 0.25, 0.25, 0.25, 1],
        gaps=dict(train=3, test=3, max_gap=30),
        samples=26_000,
        pipeline=target_pipeline,
    ),
)
