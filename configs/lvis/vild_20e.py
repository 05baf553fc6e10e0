"""ViLD with one branch, which learns class texts and imitates CLIP at once (ViLD, section 3.2)."""

_base_ = "vild_ens_20e.py"

model = dict(roi_head=dict(bbox_head=dict(image_branch=False), fusion=None))
