"""BDD100K's 70,000 stills alone: each is its own reference, in another augmentation."""

_base_ = "bdd100k_tracks.py"

train_dataloader = dict(
    dataset=dict(
        reader=dict(format="bdd100k", categories="det"),
        pick=dict(scope=0),
        ann_file="labels/det_20/det_train.json",
        data_prefix=dict(img="images/100k/train"),
    ),
)
