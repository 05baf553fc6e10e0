"""MOT17: trained on the first half of each training sequence, tested on the second.

Each sequence is there three times, with other public detections: one of them is taken.
"""

_base_ = "video_pairs.py"

data_root = "data/MOT17/"
sequences = "*-FRCNN"
classes = ["pedestrian"]
test_reader = dict(format="mot", names=sequences, part="second_half")

train_dataloader = dict(
    dataset=dict(
        reader=dict(format="mot", names=sequences, part="first_half"),
        pick=dict(scope=10),
        data_root=data_root,
        ann_file="train",
        data_prefix=dict(img="train"),
    ),
)
test_dataloader = dict(
    dataset=dict(
        reader=test_reader, data_root=data_root, ann_file="train", data_prefix=dict(img="train")
    ),
)
val_dataloader = test_dataloader
val_evaluator = dict(
    type="MotTrackMetric", ann_file=data_root + "train", vocabulary=classes, reader=test_reader
)
test_evaluator = dict(val_evaluator, out_dir="results/mot17")
