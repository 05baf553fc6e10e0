"""Stage 3 in the mini world with class embeddings, by which links are gated.

A part of TETer that the released code carries and no published config uses.
"""

_base_ = "ovtrack.py"

model = dict(
    class_head=dict(
        type="ClassExemplarHead",
        num_convs=2,
        num_fcs=1,
        in_channels=64,
        conv_out_channels=64,
        fc_out_channels=128,
        embed_channels=32,
        norm_cfg=dict(type="GN", num_groups=8),
        loss_class=dict(type="UnbiasedSupConLoss", temperature=0.07),
    ),
    tracker=dict(match_metric="cosine", contrastive_thr=0.5),
)
