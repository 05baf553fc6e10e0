"""How PrDiMP follows a target, as published: scores are logits of where it is."""

_base_ = "./super_dimp.py"

online = dict(softmax=True, localization=dict(not_found=0.04))
