"""Curves of what was logged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from vovtrack.errors import InputError
from vovtrack.visualization.palette import PALETTE


def plot_curves(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]], path: str | Path, label: str = "step"
) -> None:
    """Draw curves into one picture.

    Args:
        curves: (n,) places and (n,) values by name.
        path: File to write; its suffix chooses the format (.png, .pdf, .svg, ...).
        label: Of the horizontal axis.

    Raises:
        InputError: A format that matplotlib does not write, or a folder that cannot be written to.
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot(xlabel=label)
    for number, (name, (places, values)) in enumerate(curves.items()):
        color = [channel / 255 for channel in PALETTE[number % len(PALETTE)]]
        axes.plot(places, values, label=name, color=color, marker="." if len(values) < 30 else "")
    axes.grid(alpha=0.3)
    axes.legend()
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
    except (ValueError, OSError) as error:
        raise InputError(f"'{path}' cannot be written: {error}.") from None
