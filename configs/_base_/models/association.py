"""What makes a detector a tracker: embedding head, pairs to train it on, and association."""

association = dict(
    type="OVTrack",
    freeze=("backbone", "neck", "rpn_head", "roi_head"),
    # The released training lets the statistics of neck and box head drift, once per view.
    frozen_bn="train",
    separate_views=True,
    track_head=dict(
        type="PairEmbedHead",
        num_convs=4,
        num_fcs=1,
        in_channels=256,
        conv_out_channels=256,
        fc_out_channels=1024,
        embed_channels=256,
        norm_cfg=dict(type="GN", num_groups=32),
        loss_track=dict(type="UnbiasedMultiPosCELoss", loss_weight=0.25),
        loss_track_aux=dict(
            type="PairMarginL2Loss", neg_pos_ub=3, pos_margin=0, neg_margin=0.1, loss_weight=1.0
        ),
    ),
    pair_sampler=dict(
        assigner=dict(
            type="MaxIoUAssigner",
            pos_iou_thr=0.7,
            neg_iou_thr=0.3,
            min_pos_iou=0.5,
            match_low_quality=False,
            ignore_iof_thr=-1,
        ),
        sampler=dict(
            type="BalancedSampler",
            num=256,
            pos_fraction=0.5,
            neg_pos_ub=3,
            num_bins=1,
            background_alone=True,
        ),
    ),
    tracker=dict(
        type="OVTracker",
        mode="ovtrack-teta",
        match_score_thr=0.5,
        match_metric="bisoftmax",
        match_with_cosine=True,
        memo_frames=10,
        momentum_embed=0.8,
        momentum_obj_score=0.5,
    ),
)
# How a video is tracked frame by frame.
online = dict(type="OVOnlineTracker")
