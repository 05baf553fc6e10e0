"""The published tracker on your own video and class names.

    vovtrack track video.mp4 --config ovtrack_r50_custom --classes "a, b"

All names, and those of LVIS that compete with them, are encoded by CLIP, so that no embedding file
is needed; thresholds are probabilities and hold for any number of names. One exponent fuses the
branches for all classes, as in OVTrack's demonstration: image^0.7 text^0.3.
"""

_base_ = (
    "../ovtrack-teta/adding_spatial/"
    "ovtrack_r50_self_train_fintune_adding_spatial_without_inference_ratio1.0.py"
)

default_checkpoint = "saved_models/our_trained_models/ovtrack_finetune_final.pth"
model = dict(
    detector=dict(
        roi_head=dict(
            classifier=dict(text_bank=None, context="lvis_v1"),
            fusion=dict(fixed_text_weight=0.3),
            score_rule=dict(
                _delete_=True,
                type="ProbabilityScores",
                detect=0.001,
                link=0.02,
                init=0.05,
                draw=0.05,
            ),
        ),
        test_cfg=dict(rcnn=dict(max_per_img=100)),
    ),
    tracker=dict(match_score_thr=0.4, memo_frames=30, momentum_embed=0.4),
)
