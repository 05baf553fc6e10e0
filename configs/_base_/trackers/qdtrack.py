"""QDTrack's association (Pang et al., CVPR 2021) with the published values.

Score thresholds are those of the detector's score rule; published are, to start and to continue a
track, 0.7 and 0.3 on Faster R-CNN, 0.5 and 0.35 on YOLOX.
"""

_base_ = "../systems/ovtrack.py"

model = dict(
    tracker=dict(
        type="QuasiDenseTracker",
        match_score_thr=0.5,
        nms_conf_thr=0.5,
        nms_backdrop_iou_thr=0.3,
        nms_class_iou_thr=0.7,
        with_cats=True,
        match_metric="bisoftmax",
        memo_tracklet_frames=10,
        memo_backdrop_frames=1,
        memo_momentum=0.8,
    )
)
