"""The same as qdtrack_yolox_x_50e_bdd100k.py, under the name of later releases."""

_base_ = "qdtrack_yolox_x_50e_bdd100k.py"
