"""QDTrack with Faster R-CNN on BDD100K, strongly augmented until the last three epochs.

As the paper and its code mean it: RGB images, which the backbone was pretrained on, boxes cut with
their images, regions of objects where positives are wanted, and the margin of the paper. The
sibling without "_corrected" does what the released code does.
"""

_base_ = [
    "../_base_/models/qdtrack_faster_rcnn_r50.py",
    "../_base_/datasets/bdd100k_strong.py",
    "../_base_/schedules/qdtrack_1x.py",
    "../_base_/default_runtime.py",
]

model = dict(vocabulary={{_base_.classes}}, track_head=dict(loss_track_aux=dict(neg_margin=0.1)))
default_hooks = dict(
    stop_mixing=dict(type="StopMixingHook", epoch=9), checkpoint=dict(max_keep_ckpts=4)
)
