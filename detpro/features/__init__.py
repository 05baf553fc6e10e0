"""Regions of images and what CLIP sees of them: proposals, crops, the feature bank."""
