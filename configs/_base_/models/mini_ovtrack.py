"""The small detector, frozen, with an embedding head and a tracker."""

_base_ = "mini_detector.py"

model = dict(
    type="OVTrack",
    freeze=("backbone", "neck", "rpn_head", "roi_head"),
    frozen_bn="eval",
    track_head=dict(
        type="PairEmbedHead",
        num_convs=2,
        num_fcs=1,
        in_channels=64,
        conv_out_channels=64,
        fc_out_channels=128,
        embed_channels=64,
        norm_cfg=dict(type="GN", num_groups=8),
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
        ),
        sampler=dict(
            type="CombinedSampler",
            num=64,
            pos_fraction=0.5,
            neg_pos_ub=3,
            add_gt_as_proposals=True,
            pos_sampler=dict(type="BalancedPosSampler"),
            neg_sampler=dict(type="RandomSampler"),
        ),
    ),
    tracker=dict(
        type="OVTracker",
        match_score_thr=0.35,
        memo_frames=10,
        momentum_embed=0.4,
    ),
    train_cfg=None,
)
