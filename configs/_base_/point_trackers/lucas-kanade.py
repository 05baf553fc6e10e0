"""Points by optical flow from frame to frame: a tracker by itself, without a model."""

online = dict(type="LucasKanadeTracker", window=21, levels=3, max_error=1.0)
