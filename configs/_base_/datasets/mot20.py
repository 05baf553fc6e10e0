"""MOT20: trained on the first half of each training sequence, tested on the second."""

_base_ = "mot17.py"

data_root = "data/MOT20/"
sequences = "*"

train_dataloader = dict(dataset=dict(reader=dict(names=sequences), data_root=data_root))
test_dataloader = dict(dataset=dict(reader=dict(names=sequences), data_root=data_root))
val_dataloader = test_dataloader
val_evaluator = dict(ann_file=data_root + "train", reader=dict(names=sequences), benchmark="mot20")
test_evaluator = dict(val_evaluator, out_dir="results/mot20")
