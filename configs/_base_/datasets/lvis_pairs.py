"""Pairs of LVIS stills and their generated twins, four to a mosaic; tested on TAO.

Batches are those of 4 GPUs x 6 pairs. On fewer GPUs, --cfg-options
optim_wrapper.accumulative_counts=4 (one GPU) sums the gradients of as many; warm-up and log
intervals count batches, so multiply them too.
"""

_base_ = ["tao_ov.py", "pairs.py", "large_frames.py"]

pairs = "diff_track/ovtrack_lvis_generated_image_pairs_repeat_1"

train_dataloader = dict(
    num_workers=8,
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
            {{_base_.affine}},
            dict(type="YOLOXHSVRandomAug"),
            dict(type="RandomFlip", prob=0.5),
            {{_base_.resize}},
            dict(type="PairFilterAnnotations", min_gt_bbox_wh=(1, 1)),
            dict(type="PackIdentityInputs"),
        ],
    ),
)
