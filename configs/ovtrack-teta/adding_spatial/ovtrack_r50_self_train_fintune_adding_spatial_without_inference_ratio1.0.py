"""Stage 4 and inference. Scores and fusion mask are those of the released code."""

_base_ = "../ovtrack_r50_reverse_without_inference.py"

model = dict(tracker=dict(match_score_thr=0.5))
