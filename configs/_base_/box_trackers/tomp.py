"""How ToMP follows a target, as published: by the first frame and the last one without doubt."""

_base_ = "./search.py"

online = dict(
    type="ToMPTracker",
    border="inside_major",
    max_shrink=1.5,
    known=dict(
        memory=2,
        confident=0.9,
        label_sigma=0.05,
        least_initial=0.25,
        rate=0.01,
        hard_negative_rate=0.02,
    ),
    widening=dict(history=60, least=2, most=30, forgets=False),
    least_side=10.0,
)
