"""Stage 4 in the mini world without cycles: contrast of tracklets chained by overlap.

Not of the paper. Boxes of frames in a row say who is who where objects move little, and objects of
one frame are certainly different; see the table of configs/ovtrack-teta/README.md.
"""

_base_ = "ovtrack_self_supervised.py"

model = dict(
    cycle_loss=None,
    spatial_loss=None,
    tracklet_loss=dict(
        type="TrackletContrast",
        contrast=dict(type="UnbiasedMultiPosCELoss", loss_weight=0.25),
        margin=dict(type="PairMarginL2Loss", neg_pos_ub=3, pos_margin=0, neg_margin=0.1),
        min_iou=0.5,
    ),
)
# Overlap chains frames in a row only; the longer a tracklet, the more of its object it shows.
train_dataloader = dict(
    batch_size=1,
    dataset=dict(dataset=dict(clip_length=14, sampling="consecutive", stride=2)),
)
