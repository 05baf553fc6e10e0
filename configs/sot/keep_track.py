"""KeepTrack as published: super DiMP simple that keeps track of what looks like its target.

Its matcher is trained on what super DiMP simple, which is frozen, takes for its targets:

python tools/record_candidates.py sot/super_dimp_simple saved_models/super_dimp_simple.safetensors \
    --data data/lasot --out data/lasot/candidates_super_dimp_simple.json
tools/dist_train.sh configs/sot/keep_track.py 1
"""

_base_ = [
    "../_base_/systems/sot.py",
    "../_base_/models/keep_track.py",
    "../_base_/box_trackers/keep_track.py",
    "../_base_/datasets/candidate_clips.py",
    "../_base_/schedules/keep_track.py",
    "../_base_/default_runtime.py",
]

load_from = "saved_models/super_dimp_simple.safetensors"
