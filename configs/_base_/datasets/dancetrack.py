"""DanceTrack: trained on its training videos, tested on those for validation."""

_base_ = "mot17.py"

data_root = "data/dancetrack/"
reader = dict(names="*", part="all", digits=8)

train_dataloader = dict(dataset=dict(reader=reader, data_root=data_root))
test_dataloader = dict(
    dataset=dict(reader=reader, data_root=data_root, ann_file="val", data_prefix=dict(img="val")),
)
val_dataloader = test_dataloader
val_evaluator = dict(ann_file=data_root + "val", reader=reader, benchmark="dancetrack")
test_evaluator = dict(val_evaluator, out_dir="results/dancetrack")
