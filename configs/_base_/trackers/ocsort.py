"""OC-SORT (Cao et al., CVPR 2023) as mmdet has it."""

model = dict(
    tracker=dict(
        type="MotionTracker",
        tracker=dict(
            type="mmdet.OCSORTTracker",
            motion=dict(type="KalmanFilter"),
            reid=None,
            weight_iou_with_det_scores=False,
            match_iou_thr=0.3,
            num_tentatives=1,
            vel_consist_weight=0.2,
            vel_delta_t=3,
            num_frames_retain=30,
        ),
    )
)
