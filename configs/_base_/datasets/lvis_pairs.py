"""Pairs of LVIS stills and their generated twins, four to a mosaic; tested on TAO.

Batches are those of 4 GPUs x 6 pairs. On fewer GPUs, --cfg-options
optim_wrapper.accumulative_counts=4 (one GPU) sums the gradients of as many; warm-up and log
intervals count batches, so multiply them too.
"""

_base_ = "tao_ov.py"

pairs = "diff_track/ovtrack_lvis_generated_image_pairs_repeat_1"

train_dataloader = dict(
    batch_size=6,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="pair_collate"),
    dataset=dict(
        type="MixedPairDataset",
        dataset=dict(
            type="ClassBalancedDataset",
            oversample_thr=1e-3,
            dataset=dict(
                type="ImagePairDataset",
                ann_file="data/tao/annotations/" + pairs + ".json",
                data_prefix=dict(img="data/lvis_v1/train2017", twins="data/tao/" + pairs + ".h5"),
                include_self=True,
                filter_cfg=dict(min_size=32),
            ),
        ),
        load=[dict(type="LoadCheckedImage"), dict(type="LoadTrackAnnotations")],
        mix=dict(type="PairMosaic", img_scale=(1333, 800), identity="position"),
        pipeline=[
            dict(
                type="TrackRandomAffine",
                max_rotate_degree=10,
                max_translate_ratio=0.1,
                scaling_ratio_range=(0.5, 1.5),
                max_shear_degree=2,
                border=(0, 0),
            ),
            dict(type="YOLOXHSVRandomAug"),
            dict(type="RandomFlip", prob=0.5),
            dict(
                type="RandomChoiceResize",
                scales=[(1333, side) for side in (640, 672, 704, 736, 768, 800)],
                resize_type="Resize",
                keep_ratio=True,
            ),
            dict(type="PairFilterAnnotations", min_gt_bbox_wh=(1, 1)),
            dict(type="PackIdentityInputs"),
        ],
    ),
)
