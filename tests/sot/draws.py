"""A generator that gives recorded draws."""

from __future__ import annotations

from typing import Any

import numpy as np


class Draws:
    """Stands for a numpy generator: each call takes what the original drew there.

    Args:
        recorded: Kind of each draw, and its arguments and result.
    """

    def __init__(self, recorded: list[list[Any]]) -> None:
        self.left = list(recorded)

    def _next(self, *kinds: str) -> list[Any]:
        kind, *rest = self.left.pop(0)
        assert kind in kinds, f"ours draws one of {kinds}, the original drew '{kind}'"
        return [kind, *rest]

    def random(self, size=None):
        """Uniform from 0 to 1."""
        return self._next("random")[-1] if size is None else np.array(self._next("rand")[-1])

    def standard_normal(self, size):
        """Standard normal, recorded at once or one by one."""
        if self.left[0][0] == "randn":
            return np.array(self._next("randn")[-1])
        return np.array([self._next("gauss")[-1] for _ in range(size)])

    def uniform(self, low, high):
        """Uniform between bounds, which were the same."""
        _, bounds, value = self._next("uniform")
        np.testing.assert_allclose([low, high], bounds, rtol=1e-4)
        return value

    def integers(self, low, high=None, size=None):
        """Whole numbers below a bound, which the original may have included."""
        kind, among, drawn = self._next("choice", "choices", "int", "randint")
        if high is not None:
            assert [low, high] == among
            return drawn[0]
        high = low
        count = among if kind.startswith("choice") else among[1] + (kind == "int")
        assert high == count
        return drawn if size is None else np.array(drawn)

    def permutation(self, count):
        """An order of so many."""
        drawn = self._next("randperm")[-1]
        assert len(drawn) == count
        return np.array(drawn)

    def choice(self, count, p):
        """One of so many, with weights."""
        _, among, drawn = self._next("choices")
        assert among == count == len(p)
        return drawn
