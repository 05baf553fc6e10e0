"""Registers the parts of the floor that configs name; systems are imported by their configs."""

import vovtrack.datasets
import vovtrack.engine.drawing
import vovtrack.engine.fuse
import vovtrack.engine.hooks
import vovtrack.engine.lucas_kanade
import vovtrack.engine.mixed_precision
import vovtrack.engine.point_test
import vovtrack.engine.resume
import vovtrack.evaluation.metrics
import vovtrack.models
import vovtrack.trackers  # noqa: F401
