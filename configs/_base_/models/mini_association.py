"""Embedding head and association of the mini world."""

_base_ = "association.py"

association = dict(
    frozen_bn="eval",
    separate_views=False,
    track_head=dict(
        num_convs=2,
        in_channels=64,
        conv_out_channels=64,
        fc_out_channels=128,
        embed_channels=64,
        norm_cfg=dict(num_groups=8),
    ),
    pair_sampler=dict(sampler=dict(num=64)),
    tracker=dict(match_score_thr=0.35, momentum_embed=0.4),
    # Without its own losses the detector needs no settings of them.
    detector=dict(train_cfg=None),
)
