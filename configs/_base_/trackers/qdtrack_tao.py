"""QDTrack's association on TAO: inside a class, without backdrops, with smoothed scores.

OVTrack took its ``ovtrack-tao`` protocol from it. Ids of a video begin at 0 here; originally they
grew over all videos of a run.
"""

_base_ = "../systems/ovtrack.py"

model = dict(
    tracker=dict(
        type="OVTracker",
        mode="ovtrack-tao",
        init_score_thr=1e-4,
        match_score_thr=0.5,
        match_with_cosine=True,
        memo_frames=10,
        momentum_embed=0.8,
        momentum_obj_score=0.5,
        distractor_iou_thr=0.3,
        distractor_score_thr=0.5,
    )
)
