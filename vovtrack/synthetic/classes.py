"""The vocabulary of the mini world: compositions "pattern colour shape", base and novel apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

PATTERNS = ("solid", "striped", "dotted", "checkered")
COLOURS = ("red", "yellow", "green", "blue", "cyan", "purple")
SHAPES = ("circle", "square", "triangle", "star", "cross", "heart", "crescent")


@dataclass(frozen=True)
class Composition:
    """One class of the mini world.

    Attributes:
        pattern: One of ``PATTERNS``.
        colour: One of ``COLOURS``.
        shape: One of ``SHAPES``.
        frequency: LVIS frequency group: "f" and "c" are base classes, "r" is a novel one.
    """

    pattern: str
    colour: str
    shape: str
    frequency: str

    @property
    def name(self) -> str:
        """The class name, e.g. "striped red star"."""
        return f"{self.pattern} {self.colour} {self.shape}"

    @property
    def novel(self) -> bool:
        """Whether training data must never show the class with a label."""
        return self.frequency == "r"


@lru_cache(maxsize=1)
def compositions() -> tuple[Composition, ...]:
    """Return all classes in alphabetical order; label = position, category id = label + 1.

    All 168 compositions of 4 patterns, 6 colours and 7 shapes are classes. The split does not
    depend on any seed: for every colour and shape one pattern is novel ("r"), in cyclic order, so
    that every pair of attributes occurs among the base classes and no attribute can be guessed
    from the other two. One base class in three ("c") is drawn half as often as the others ("f").
    """
    frequencies = ("r", "c", "f", "f")
    chosen = [
        Composition(PATTERNS[(c + s + step) % len(PATTERNS)], colour, shape, frequency)
        for c, colour in enumerate(COLOURS)
        for s, shape in enumerate(SHAPES)
        for step, frequency in enumerate(frequencies)
    ]
    return tuple(sorted(chosen, key=lambda composition: composition.name))


def class_names() -> tuple[list[str], list[str]]:
    """Return the names of the base classes and of the novel (held-out) classes."""
    base = [c.name for c in compositions() if not c.novel]
    novel = [c.name for c in compositions() if c.novel]
    return base, novel
