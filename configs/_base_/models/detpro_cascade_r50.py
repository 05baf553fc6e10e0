"""DetPro in three stages (Cascade Mask R-CNN): 584 tensors."""

_base_ = "detpro_r50.py"

model = dict(
    # As mmdet's cascades regress anchors.
    rpn_head=dict(loss_bbox=dict(_delete_=True, type="SmoothL1Loss", beta=1 / 9, loss_weight=1.0)),
    roi_head=dict(
        type="CascadeOpenVocabRoIHead",
        score_rule=dict(detect=1e-3),
        stage_loss_weights=(1.0, 0.5, 0.25),
        box_stds=((0.1, 0.1, 0.2, 0.2), (0.05, 0.05, 0.1, 0.1), (0.033, 0.033, 0.067, 0.067)),
        bbox_head=dict(
            loss_bbox=dict(_delete_=True, type="SmoothL1Loss", beta=1.0, loss_weight=1.0)
        ),
    ),
    train_cfg=dict(
        rpn_proposal=dict(max_per_img=2000, min_bbox_size=0),
        rcnn=[
            dict(
                assigner=dict(
                    type="MaxIoUAssigner",
                    pos_iou_thr=iou,
                    neg_iou_thr=iou,
                    min_pos_iou=iou,
                    match_low_quality=False,
                    ignore_iof_thr=-1,
                ),
                sampler=dict(type="RandomSampler", num=512, pos_fraction=0.25),
                mask_size=28,
                pos_weight=-1,
            )
            for iou in (0.5, 0.6, 0.7)
        ],
    ),
)
