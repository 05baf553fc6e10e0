"""How DiMP follows a target, as published."""

_base_ = "./search.py"

online = dict(
    type="DiMPTracker",
    views=dict(
        expansion=2.0,
        shifts=((0.6, 0.6), (-0.6, 0.6), (0.6, -0.6), (-0.6, -0.6)),
        flip=True,
        blurs=((3, 1), (1, 3), (2, 2)),
        rotations=(10, -10, 45, -45),
        random_shift=1 / 3,
        dropouts=2,
        dropout=0.2,
    ),
    learning=dict(
        memory=50,
        least_initial=0.25,
        rate=0.01,
        hard_negative_rate=0.02,
        first_steps=10,
        every=20,
        steps=2,
        hard_negative_steps=1,
    ),
    refinement=dict(
        random_boxes=9,
        jitter_position=0.1,
        jitter_size=0.5,
        least_edge=1 / 3,
        steps=5,
        step_length=1.0,
        relative=False,
        reach=0.5,
        best=3,
        max_aspect=6.0,
    ),
    seed=0,
)
