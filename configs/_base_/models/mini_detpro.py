"""The small detector with an image branch that imitates CLIP, and fused scores."""

_base_ = "mini_detector.py"

model = dict(
    roi_head=dict(
        bbox_head=dict(image_branch=True),
        # Half of the L1 distance of a region, as 256 is at 512 dimensions.
        distillation=dict(type="RegionDistillation", loss_weight=32.0),
        fusion=dict(
            _delete_=True,
            type="GeometricScoreFusion",
            alpha=1 / 3,
            novel_mask="novel",
            # Regions are named with the lowest cross entropy at a scale of 35; OpenAI's is 100.
            image_temperature=0.029,
        ),
        score_rule=dict(detect=1e-3),
    ),
    # Several classes per region may count, as LVIS evaluates.
    test_cfg=dict(
        rcnn=dict(nms=dict(class_agnostic=False), max_per_img=100),
    ),
)
