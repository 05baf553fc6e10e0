"""Stage 4 in the mini world with what the released training does, see configs/ovtrack-teta."""

_base_ = "ovtrack_self_supervised.py"

model = dict(
    detector=dict(backbone=dict(norm_eval=True)),
    frozen_bn="train",
    separate_views=True,
    clusters="modal",
    coordinates="input",
    num_clusters=8,
    score_thr=None,
    max_overlap=None,
    cycle_loss=dict(start="larger"),
    spatial_loss=dict(
        iou_thr=0.95,
        neg_iou_thr=None,
        frame_gap=None,
        include_self=True,
        flat_boxes=True,
        balanced=False,
    ),
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="SGD", lr=1e-7, momentum=0.9, weight_decay=1e-4),
)
