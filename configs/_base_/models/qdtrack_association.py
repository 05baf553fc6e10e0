"""What makes any detector QDTrack: embedding head, pairs to train it on, and association.

The values are those of vis4d. The older original has a negative margin of 0.1, as in the paper.
"""

_base_ = "../trackers/qdtrack.py"

model = dict(
    track_head=dict(
        type="PairEmbedHead",
        num_convs=4,
        num_fcs=1,
        in_channels=256,
        conv_out_channels=256,
        fc_out_channels=1024,
        embed_channels=256,
        norm_cfg=dict(type="GN", num_groups=32),
        init_cfg=[
            dict(
                type="Kaiming",
                layer="Conv2d",
                a=1,
                mode="fan_in",
                nonlinearity="leaky_relu",
                distribution="uniform",
            ),
            dict(
                type="Xavier",
                layer="Linear",
                distribution="uniform",
                override=dict(type="Normal", name="fc_embed", std=0.01),
            ),
        ],
        loss_track=dict(type="MultiPosCELoss", loss_weight=0.25, eps=1e-5),
        loss_track_aux=dict(
            type="PairMarginL2Loss",
            neg_pos_ub=3,
            min_pos=1,
            pos_margin=0,
            neg_margin=0.3,
            loss_weight=1.0,
        ),
    ),
    pair_sampler=dict(
        assigner=dict(
            type="MaxIoUAssigner",
            pos_iou_thr=0.7,
            neg_iou_thr=0.3,
            min_pos_iou=0.7,
            match_low_quality=False,
        ),
        # The released weights were trained with released_positives=True.
        sampler=dict(type="BalancedSampler", num=256, pos_fraction=0.5, neg_pos_ub=3, num_bins=3),
    ),
)
# How a video is tracked frame by frame.
online = dict(type="OVOnlineTracker")
