"""Super DiMP with a fixed hinge, which KeepTrack is built on."""

_base_ = "./super_dimp.py"

model = dict(classifier=dict(optimizer=dict(_delete_=True, type="HingeOptimizer")))
