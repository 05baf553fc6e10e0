"""The published QDTrack with Faster R-CNN, as ``qdtrack_r50_bdd100k``, to track your own video.

vovtrack track video.mp4 --config qdtrack_r50_bdd100k
"""

_base_ = "qdtrack_frcnn_r50_fpn_augs_1x_bdd100k.py"

default_checkpoint = "saved_models/qdtrack/qdtrack_frcnn_r50_fpn_augs_1x_bdd100k_456b1e.pt"
