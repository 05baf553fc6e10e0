"""QDTrack with Faster R-CNN on BDD100K, 8 GPUs x 4 pairs, mirrored and resized frames."""

_base_ = [
    "../_base_/models/qdtrack_faster_rcnn_r50.py",
    "../_base_/datasets/bdd100k.py",
    "../_base_/schedules/qdtrack_1x.py",
    "../_base_/default_runtime.py",
]

model = dict(vocabulary={{_base_.classes}})
train_dataloader = dict(batch_size=4)
