"""KeepTrack as published: super DiMP simple that keeps track of what looks like its target."""

_base_ = [
    "../_base_/systems/sot.py",
    "../_base_/models/keep_track.py",
    "../_base_/box_trackers/keep_track.py",
]
