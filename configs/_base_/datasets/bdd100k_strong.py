"""BDD100K's stills and box tracks, strongly augmented, with batches of 4 pairs per GPU.

Mosaic, affine and mix-up are the same in both views of a pair, as four (one) other pairs are mixed
in; colours, mirror, size and crop are those of each view. Interpolation is in float32, as the
published weights saw it, in tests too.
"""

_base_ = "bdd100k.py"

frame_scale = (1280, 720)
test_pipeline = [
    dict(type="LoadCheckedImage"),
    dict(type="FitResize", scale=frame_scale, as_float=True),
    dict(type="PackDetInputs", meta_keys={{_base_.frame_meta_keys}}),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=8,
    dataset=dict(
        _delete_=True,
        type="MixedPairDataset",
        dataset={{_base_.train_dataloader.dataset}},
        load=[dict(type="LoadCheckedImage"), dict(type="LoadTrackAnnotations")],
        mix=dict(
            type="MixSteps",
            steps=dict(
                mosaic=dict(type="PairMosaic", img_scale=frame_scale),
                affine=dict(
                    type="TrackRandomAffine",
                    max_rotate_degree=10,
                    max_translate_ratio=0.1,
                    scaling_ratio_range=(0.5, 1.5),
                    max_shear_degree=2,
                    border=(-frame_scale[0] // 2, -frame_scale[1] // 2),
                ),
                mix_up=dict(type="PairMixUp", ratio_range=(0.8, 1.6), flip_ratio=0),
                clip=dict(type="TrackClipBoxes", min_area=1),
            ),
        ),
        pipeline=dict(
            colours=dict(
                type="YOLOXHSVRandomAug", hue_delta=5, saturation_delta=30, value_delta=30
            ),
            flip=dict(type="RandomFlip", prob=0.5),
            resize=dict(type="FitResize", scale=frame_scale, ratio_range=(0.5, 1.5), as_float=True),
            crop=dict(type="TrackRandomCrop", crop_size=frame_scale, allow_negative_crop=True),
            pack=dict(type="PackIdentityInputs"),
        ),
        share_mix=True,
        require_match=False,
    ),
)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_dataloader = test_dataloader
