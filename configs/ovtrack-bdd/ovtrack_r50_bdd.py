"""The published tracker on BDD100K tracking, without training on it.

    vovtrack test configs/ovtrack-bdd/ovtrack_r50_bdd.py CHECKPOINT

Writes results/bdd100k/tracks, a file per video in the form that BDD100K's tools read, and
evaluates them where the labels are there. CLIP encodes the eight names, so that no embedding file
is needed; those of LVIS do not compete, for some mean the same.
"""

_base_ = "../ovtrack-custom/ovtrack_r50_custom.py"

classes = ["pedestrian", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"]
data_root = "data/bdd100k/"
labels = "labels/box_track_20/val"

model = dict(
    detector=dict(vocabulary=classes, roi_head=dict(classifier=dict(context=None))),
)
test_dataloader = dict(
    dataset=dict(
        type="VideoDataset",
        reader=dict(format="bdd100k"),
        data_root=data_root,
        ann_file=labels,
        data_prefix=dict(img="images/track/val"),
    )
)
test_evaluator = dict(
    type="BddTrackMetric",
    ann_file=data_root + labels,
    vocabulary=classes,
    out_dir="results/bdd100k",
)
