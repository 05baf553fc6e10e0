"""RoboTAP: the five published parts, 265 videos of robots."""

_base_ = "tapvid.py"

ann_file = "data/tapvid/robotap"

test_dataloader = dict(dataset=dict(ann_file=ann_file))
test_evaluator = dict(ann_file=ann_file, out_dir="results/robotap")
