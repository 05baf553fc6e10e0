"""Tracking in graphs over whole clips: detections are linked in rounds of longer and longer reach.

Boxes are (left, top, width, height) in pixels from 0, frames are numbers, and pairs of nodes are
(2, P) with the earlier node first.
"""
