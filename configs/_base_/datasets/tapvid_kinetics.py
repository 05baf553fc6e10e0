"""TAP-Vid-Kinetics: the shards that its own script makes of the videos."""

_base_ = "tapvid.py"

ann_file = "data/tapvid/tapvid_kinetics"

test_dataloader = dict(dataset=dict(ann_file=ann_file))
test_evaluator = dict(ann_file=ann_file, out_dir="results/tapvid_kinetics")
