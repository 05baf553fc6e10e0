"""QDTrack learned from BDD100K's stills alone: no video and no track is seen.

Each still is its own reference, in another augmentation; tested on videos.
"""

_base_ = "qdtrack_frcnn_r50_fpn_augs_1x_bdd100k_corrected.py"

train_dataloader = dict(
    dataset=dict(dataset=dict(_delete_=True, type="ConcatDataset", datasets=[{{_base_.stills}}]))
)
