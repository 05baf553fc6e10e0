"""TAP-Vid-DAVIS: 30 videos."""

_base_ = "tapvid.py"

ann_file = "data/tapvid/tapvid_davis"

test_dataloader = dict(dataset=dict(ann_file=ann_file))
test_evaluator = dict(ann_file=ann_file, out_dir="results/tapvid_davis")
