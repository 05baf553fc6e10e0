"""ByteTrack (Zhang et al., ECCV 2022) as mmdet has it."""

model = dict(
    tracker=dict(
        type="MotionTracker",
        tracker=dict(
            type="mmdet.ByteTracker",
            motion=dict(type="KalmanFilter"),
            weight_iou_with_det_scores=False,
            match_iou_thrs=dict(high=0.1, low=0.5, tentative=0.3),
            num_tentatives=1,
            num_frames_retain=30,
        ),
    )
)
