"""Drawing tracks, and writing what was drawn."""

from vovtrack.visualization.draw import TrackHistory, draw_tracks
from vovtrack.visualization.drawn_video import DrawnVideo
from vovtrack.visualization.palette import track_color
from vovtrack.visualization.video_writer import VideoWriter

__all__ = ["DrawnVideo", "TrackHistory", "VideoWriter", "draw_tracks", "track_color"]
