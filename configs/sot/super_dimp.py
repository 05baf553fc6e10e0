"""Super DiMP as published: DiMP in larger search areas."""

_base_ = [
    "../_base_/systems/sot.py",
    "../_base_/models/super_dimp.py",
    "../_base_/box_trackers/super_dimp.py",
]
