"""QDTrack with Faster R-CNN on BDD100K, strongly augmented, 8 GPUs x 4 pairs, as released.

Published: 37.7 mMOTA, 52.7 mIDF1 and 7257 switches on the validation videos. The released weights
saw blue where red was meant, and learned from mistaken positives in crowded images: see the README.
"""

_base_ = [
    "../_base_/models/qdtrack_faster_rcnn_r50.py",
    "../_base_/datasets/bdd100k_strong_released.py",
    "../_base_/schedules/qdtrack_1x.py",
    "../_base_/default_runtime.py",
]

model = dict(
    vocabulary={{_base_.classes}},
    # Channels are blue, green, red; mean and standard deviation those of red, green, blue.
    detector=dict(data_preprocessor=dict(bgr_to_rgb=False)),
    pair_sampler=dict(sampler=dict(released_positives=True)),
)
default_hooks = dict(
    stop_mixing=dict(type="StopMixingHook", epoch=9), checkpoint=dict(max_keep_ckpts=4)
)
