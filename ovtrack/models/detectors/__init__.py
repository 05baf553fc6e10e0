"""Detectors of fixed classes, as quasi-dense trackers want them."""

from ovtrack.models.detectors.assigner import OwnBestIoUAssigner
from ovtrack.models.detectors.one_stage import ClosedSetYOLOX
from ovtrack.models.detectors.roi_extractor import LevelRoIExtractor
from ovtrack.models.detectors.two_stage import ClosedSetRCNN

__all__ = ["ClosedSetRCNN", "ClosedSetYOLOX", "LevelRoIExtractor", "OwnBestIoUAssigner"]
