"""BDD100K's stills and box tracks together, as QDTrack learns from them."""

_base_ = "bdd100k_stills.py"

stills = {{_base_.train_dataloader.dataset}}

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="ConcatDataset",
        datasets=[
            stills,
            dict(
                type="VideoDataset",
                reader={{_base_.reader}},
                pick=dict(type="NearbyFrames", scope=3),
                skip_empty=True,
                data_root={{_base_.data_root}},
                ann_file="labels/box_track_20/train",
                data_prefix=dict(img="images/track/train"),
                pipeline={{_base_.train_pipeline}},
            ),
        ],
    ),
)
