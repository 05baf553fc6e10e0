"""Strong augmentation with what the released code does to boxes: two slips.

Boxes are not cut at the border of a crop, and those of a mix-up are chosen by the place of the
crop before the boxes were shifted.
"""

_base_ = "bdd100k_strong.py"

train_dataloader = dict(
    dataset=dict(
        mix=dict(steps=dict(mix_up=dict(overlap="unshifted"))),
        pipeline=dict(crop=dict(bbox_clip_border=False)),
    )
)
