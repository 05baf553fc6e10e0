"""The toy system's tracker, and a test of it."""

_base_ = "../../configs/_base_/default_runtime.py"

custom_imports = dict(imports=["toy_system"])
model = dict(type="ConstantBox", score=0.9)
online = dict(type="ToyOnlineTracker")

pack = dict(type="PackDetInputs", meta_keys=("ori_shape", "img_shape"))
test_dataloader = dict(
    dataset=dict(type="blank_frames", length=3, pipeline=[pack]),
    sampler=dict(type="DefaultSampler", shuffle=False),
)
test_cfg = dict(type="TestLoop")
test_evaluator = dict(type="ConstantBoxMetric", box=(0.0, 0.0, 32.0, 24.0))
