"""Stage 4 in the mini world, cycles walked by the objects alone that can come back.

Objects are followed through the clip by overlap; between two frames walk those that both show.
"""

_base_ = "ovtrack_self_supervised.py"

model = dict(follow_iou=0.3)
