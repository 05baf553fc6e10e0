"""The tracker of the mini world, whose weights come with the package, as ``mini``."""

_base_ = "mini/ovtrack.py"
