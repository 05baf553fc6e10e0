"""BDD100K's box tracks: pairs at most three frames apart; tested on the validation videos."""

_base_ = "video_pairs.py"

data_root = "data/bdd100k/"
classes = ["pedestrian", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"]
reader = dict(format="bdd100k")
val_labels = "labels/box_track_20/val"

train_dataloader = dict(
    dataset=dict(
        reader=reader,
        data_root=data_root,
        ann_file="labels/box_track_20/train",
        data_prefix=dict(img="images/track/train"),
    ),
)
test_dataloader = dict(
    dataset=dict(
        reader=reader,
        data_root=data_root,
        ann_file=val_labels,
        data_prefix=dict(img="images/track/val"),
    ),
)
val_dataloader = test_dataloader
val_evaluator = dict(
    type="BddTrackMetric", ann_file=data_root + val_labels, vocabulary=classes, reader=reader
)
test_evaluator = dict(val_evaluator, out_dir="results/bdd100k")
