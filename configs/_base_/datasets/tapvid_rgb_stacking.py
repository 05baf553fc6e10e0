"""TAP-Vid-RGB-Stacking: 50 rendered videos of a robot."""

_base_ = "tapvid.py"

ann_file = "data/tapvid/tapvid_rgb_stacking"

test_dataloader = dict(dataset=dict(ann_file=ann_file))
test_evaluator = dict(ann_file=ann_file, out_dir="results/tapvid_rgb_stacking")
