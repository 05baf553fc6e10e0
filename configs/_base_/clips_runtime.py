"""Stage 4 finds its objects itself: it says when it finds none."""

_base_ = "default_runtime.py"

default_hooks = dict(
    starvation=dict(
        type="StarvationHook",
        key="objects",
        advice="Lower model.score_thr, and check that load_from are weights that detect objects.",
    )
)
