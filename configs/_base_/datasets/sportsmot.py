"""SportsMOT: trained on its training videos, tested on those for validation."""

_base_ = "dancetrack.py"

data_root = "data/sportsmot/dataset/"
reader = dict(digits=6)

train_dataloader = dict(dataset=dict(reader=reader, data_root=data_root))
test_dataloader = dict(dataset=dict(reader=reader, data_root=data_root))
val_dataloader = test_dataloader
val_evaluator = dict(ann_file=data_root + "val", reader=reader, benchmark="sportsmot")
test_evaluator = dict(val_evaluator, out_dir="results/sportsmot")
