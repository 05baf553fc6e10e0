"""The table of all rows, and the bars that a tracker which learns should meet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tools.benchmarks.cells import mean_and_spread
from tools.benchmarks.point_learning.videos import METRICS, Video

STATIC, LUCAS_KANADE, CORRELATION = "static points", "chained Lucas-Kanade", "correlation 15x15"
UNTRAINED, LEARNED, FORGETFUL = "Track-On, untrained", "Track-On", "Track-On, memory off"
PATCH_LOSS = "patch_loss"

Scores = dict[str, float]
Rows = dict[str, list[Scores]]
"""Row of the table -> scores of each seed."""


def table(rows: Rows) -> list[str]:
    """Lines of a table: means over seeds, and the lowest and highest."""
    columns = (*METRICS, PATCH_LOSS)
    lines = [f"| row | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, found in rows.items():
        cells = [mean_and_spread([scores[c] for scores in found if c in scores]) for c in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def bars(rows: Rows, videos: Sequence[Video], chance: float) -> list[str]:
    """By how much the trained tracker is better, what is asked for, and whether that is met.

    Args:
        rows: Of one world.
        videos: Of that world.
        chance: The loss over patches of one who knows nothing.
    """
    always = 100 * float(np.mean([video.visible[:, 1:].mean() for video in videos]))
    gains = {
        "delta_avg over static points": (_gain(rows, "delta_avg", STATIC), 25),
        "delta_avg over untrained": (_gain(rows, "delta_avg", UNTRAINED), 25),
        "OA over always visible": (_mean(rows[LEARNED], "OA") - always, 3),
        "back_8 over chained Lucas-Kanade": (_gain(rows, "back_8", LUCAS_KANADE), 10),
        "back_8 over memory off": (_gain(rows, "back_8", FORGETFUL), 0),
        "patch loss below half of chance": (chance / 2 - _mean(rows[LEARNED], PATCH_LOSS), 0),
    }
    return [
        f"- {name}: {gain:+.1f}, asked for {least:+}: {'met' if gain > least else 'MISSED'}"
        for name, (gain, least) in gains.items()
    ]


def _gain(rows: Rows, metric: str, rival: str) -> float:
    return _mean(rows[LEARNED], metric) - _mean(rows[rival], metric)


def _mean(found: list[Scores], metric: str) -> float:
    return float(np.mean([scores[metric] for scores in found]))
