"""The protocol of TAO track AP: matching inside a class, all LVIS classes, many detections."""

_base_ = "../ovtrack-teta/ovtrack_r50_reverse_without_inference.py"

model = dict(
    detector=dict(
        vocabulary="lvis_v1",
        roi_head=dict(score_rule=dict(uniform_factor=0.0)),
        test_cfg=dict(
            rcnn=dict(
                nms=dict(type="nms", iou_threshold=0.5, class_agnostic=False),
                max_per_img=300,
            )
        ),
    ),
    tracker=dict(mode="ovtrack-tao", match_score_thr=0.5),
)
val_evaluator = dict(vocabulary="lvis_v1", benchmarks=("tao",))
test_evaluator = dict(val_evaluator, out_dir="results/tao_track_ap")
