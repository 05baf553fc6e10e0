"""How ATOM follows a target, as published; which views it makes, 30 as there, is our choice."""

_base_ = "./dimp.py"

online = dict(
    type="ATOMTracker",
    views=dict(
        blurs=((3, 1), (1, 3), (2, 2), (1, 1), (3, 3)),
        rotations=(5, -5, 10, -10, 15, -15, 20, -20, 30, -30, 45, -45),
        dropouts=7,
    ),
    learning=dict(
        _delete_=True,
        memory=250,
        least_initial=0.25,
        rate=0.01,
        hard_negative_rate=0.02,
        label_sigma=0.05,
        channels=64,
        filter_size=4,
        first_steps=6,
        first_iterations=10,
        every=10,
        iterations=5,
        hard_negative_iterations=5,
        filter_weight=0.1,
        projection_weight=1e-4,
        floor=0.05,
    ),
)
