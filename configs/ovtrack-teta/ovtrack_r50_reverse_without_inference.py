"""Stage 3, pair pre-training, on 4 GPUs x 6 pairs, as released.

The released training matches the objects of two mosaics by position and lets the statistics of the
frozen detector drift: the sibling "..._corrected.py" does neither.
"""

_base_ = [
    "../_base_/models/ovtrack_r50.py",
    "../_base_/datasets/lvis_pairs.py",
    "../_base_/schedules/sgd_pairs.py",
    "../_base_/systems/ovtrack.py",
    "../_base_/default_runtime.py",
]

model = dict(tracker=dict(match_score_thr=0.35))
