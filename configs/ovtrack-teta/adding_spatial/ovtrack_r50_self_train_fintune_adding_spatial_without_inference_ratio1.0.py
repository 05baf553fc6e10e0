"""Stage 4 as released, on 4 GPUs x 2 clips of 8 frames, and inference.

What departs from the paper: batch statistics of the frozen detector drift; boxes of separately
augmented frames are compared in network pixels, so that none but the box itself overlaps; only
the largest cluster learns; cycles start at the frame with more objects; the learning rate is
1e-7. The sibling "..._corrected.py" does what the paper says. Scores and fusion mask of inference
are those of the released code.
"""

_base_ = [
    "../../_base_/models/ovtrack_r50.py",
    "../../_base_/datasets/tao_clips.py",
    "../../_base_/schedules/sgd_clips.py",
    "../../_base_/systems/ovtrack.py",
    "../../_base_/clips_runtime.py",
]

model = dict(
    type="SelfSupervisedOVTrack",
    num_clusters=8,
    clusters="modal",
    coordinates="input",
    cycle_loss=dict(
        type="CycleConsistencyLoss", margin=0.5, terms=("pair", "triple"), start="larger"
    ),
    spatial_loss=dict(
        type="SpatialConsistencyLoss",
        top_k=10,
        iou_thr=0.95,
        include_self=True,
        flat_boxes=True,
        balanced=False,
        loss_weight=1.0,
    ),
    tracker=dict(match_score_thr=0.5),
)
load_from = "saved_models/our_trained_models/ovtrack_pair.pth"
