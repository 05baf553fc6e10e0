"""Training samples of TAP-Vid-Kubric as point trackers read them.

``<sample>/frames/000.png`` and so on, and ``<sample>/<sample>.npy``: a pickled dict with
``coords``, (N, T, 2) float32 ``(x, y)`` in pixels, and ``visibility``, (N, T) bool, which in spite
of its name is True where a point is *hidden*.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from vovtrack.files.array_pickle import pickled_part, write_pickled

FRAMES = "frames"


def sample_file(points: NDArray[np.float64], occluded: NDArray[np.bool_]) -> bytes:
    """The ``.npy`` file of one sample.

    Args:
        points: (N, T, 2) ``(x, y)`` in pixels.
        occluded: (N, T).
    """
    content = {"coords": points.astype(np.float32), "visibility": occluded}
    file = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(file, header)
    write_pickled(file, pickled_part(np.array(content, dtype=object)))
    return file.getvalue()
