"""Stage 4 in the mini world, corrected: the embedding head learns on from raw clips.

Cycles start at the frame with fewer objects, boxes are compared in source coordinates between
neighbouring frames, frozen means frozen, and the learning rate learns. Clips of so few objects
are not divided into clusters, see the table of configs/ovtrack-teta/README.md.
"""

_base_ = [
    "../_base_/models/mini_ovtrack.py",
    "../_base_/datasets/mini_clips.py",
    "../_base_/schedules/mini.py",
    "../_base_/systems/ovtrack.py",
    "../_base_/clips_runtime.py",
]

model = dict(
    type="SelfSupervisedOVTrack",
    clusters="each",
    num_clusters=1,
    coordinates="source",
    score_thr=0.3,
    max_overlap=0.3,
    cycle_loss=dict(type="CycleConsistencyLoss", terms=("pair", "triple"), start="smaller"),
    spatial_loss=dict(
        type="SpatialConsistencyLoss",
        iou_thr=0.7,
        neg_iou_thr=0.3,
        frame_gap=1,
        include_self=False,
        flat_boxes=False,
        balanced=True,
        loss_weight=0.1,
    ),
)
optim_wrapper = dict(optimizer=dict(lr=2e-5))
train_cfg = dict(max_epochs=2)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=20),
    dict(type="CosineAnnealingLR", T_max=2, eta_min=1e-6, convert_to_iter_based=True),
]
load_from = "work_dirs/quickstart/ovtrack/epoch_5.pth"
