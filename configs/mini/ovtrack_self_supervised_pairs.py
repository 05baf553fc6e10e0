"""Stage 4 in the mini world as it gains: cycles over pairs of frames, one view for a whole clip.

Cycles through a third frame compare sums of products of cosines, in which objects blur; see the
table of configs/ovtrack-teta/README.md.
"""

_base_ = "ovtrack_self_supervised.py"

model = dict(cycle_loss=dict(terms=("pair",)), spatial_loss=None)
train_dataloader = dict(dataset=dict(dataset=dict(share_transforms=True)))
