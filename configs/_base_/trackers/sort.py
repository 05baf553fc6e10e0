"""SORT (Bewley et al., ICIP 2016) as mmdet has it, without appearance.

Score thresholds of the trackers in this folder are those of the detector's score rule.
"""

model = dict(
    tracker=dict(
        type="MotionTracker",
        tracker=dict(
            type="mmdet.SORTTracker",
            motion=dict(type="KalmanFilter", center_only=False),
            reid=None,
            match_iou_thr=0.3,
            num_tentatives=1,
            num_frames_retain=10,
        ),
    )
)
