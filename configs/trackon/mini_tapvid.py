"""The mini Track-On tested on rendered videos, or on moving photographs.

vovtrack synth --format tapvid --seed 1 --frames 24 --videos 12 --out work_dirs/trackon/test
vovtrack test configs/trackon/mini_tapvid.py CHECKPOINT --eval tapvid
"""

_base_ = ["mini.py", "../_base_/datasets/tapvid.py"]

ann_file = "work_dirs/trackon/test"

test_dataloader = dict(dataset=dict(ann_file=ann_file))
test_evaluator = dict(ann_file=ann_file, out_dir="results/trackon_mini")
