"""How super DiMP follows a target, as published: in larger search areas that stay in the frame."""

_base_ = "./dimp.py"

online = dict(
    side=352,
    extent=6.0,
    border="inside_major",
    max_shrink=1.5,
    refinement=dict(steps=10, step_length=2.5e-3, relative=True),
)
