"""What flows through the house, and the conventions everybody keeps.

**Boxes** are float32 ``(x1, y1, x2, y2)`` in pixels. The origin is the top-left corner of the
image and the right and bottom edges are exclusive, so that width is ``x2 - x1``. Which image is
meant, the network input or the original, is part of the name or the docstring. Files that store
``(x, y, w, h)`` are converted where they are read and written, in ``vovtrack.formats``.

**Labels** index the :class:`Vocabulary` in use and count from 0. The category ids of a dataset
appear in ``vovtrack.formats`` only.

**Track ids** are >= 0 and unique inside one video; -1 means "no track".

**Frames** count from 0 inside a video. **Scores** lie in [0, 1].

**Images** are RGB uint8 ``(H, W, 3)`` at the API; the data preprocessor normalises on the device.

**Names**: ``InstanceData`` with ``bboxes``, ``scores``, ``labels``, ``instances_id``, ``embeds``;
``rois`` are ``(batch index, x1, y1, x2, y2)``.
"""

from vovtrack.structures.points import PointTracks, PointTruth
from vovtrack.structures.target import Target
from vovtrack.structures.tracks import Tracks, TrackSequence
from vovtrack.structures.vocabulary import Vocabulary

__all__ = ["PointTracks", "PointTruth", "Target", "TrackSequence", "Tracks", "Vocabulary"]
