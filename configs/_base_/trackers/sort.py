"""SORT (Bewley et al., ICIP 2016) as mmdet has it, without appearance.

Score thresholds here and in the siblings are for detectors whose scores are probabilities; those
of a detector that derives thresholds from its vocabulary replace them.
"""

model = dict(
    tracker=dict(
        type="MotionTracker",
        tracker=dict(
            type="mmdet.SORTTracker",
            motion=dict(type="KalmanFilter", center_only=False),
            reid=None,
            obj_score_thr=0.3,
            match_iou_thr=0.3,
            num_tentatives=1,
            num_frames_retain=10,
        ),
    )
)
