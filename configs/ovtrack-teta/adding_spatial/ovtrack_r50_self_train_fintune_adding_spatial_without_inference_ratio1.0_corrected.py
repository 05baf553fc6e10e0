"""Stage 4 as the paper says: frozen means frozen, one place is one object, all clusters learn."""

_base_ = "ovtrack_r50_self_train_fintune_adding_spatial_without_inference_ratio1.0.py"

model = dict(
    frozen_bn="eval",
    separate_views=False,
    clusters="each",
    coordinates="source",
    cycle_loss=dict(start="smaller"),
    spatial_loss=dict(
        iou_thr=0.9,
        neg_iou_thr=0.3,
        frame_gap=1,
        include_self=False,
        flat_boxes=False,
        balanced=True,
        loss_weight=0.1,
    ),
)
train_dataloader = dict(dataset=dict(keep_remainder=True))
optim_wrapper = dict(optimizer=dict(lr=2e-3))
