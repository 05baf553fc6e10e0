"""The vocabulary of the mini world: compositions "pattern colour shape", base and novel apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

PATTERNS = ("solid", "striped", "dotted", "checkered")
COLOURS = ("red", "yellow", "green", "cyan", "blue", "magenta")
SHAPES = ("circle", "square", "triangle", "star", "cross", "heart")


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

    The split is a Latin square and does not depend on any seed. Cell (colour c, shape s) of the
    6 x 6 grid carries the base class of pattern (c + s) mod 4, so every colour-shape,
    pattern-colour and pattern-shape pair occurs among the base classes ("f"). One more base class
    per colour ("c") is drawn half as often. Two cells of every row carry a novel class ("r"):
    each colour and each shape is novel twice, each pattern three times.
    """
    chosen = []
    for c, colour in enumerate(COLOURS):
        row = [(s, (c + s) % 4, "f") for s in range(6)]
        row += [((c + 2) % 6, (c + (c + 2) % 6 + 1) % 4, "c")]
        row += [(s, (c + s + 2) % 4, "r") for s in ((c + 1) % 6, (c + 4) % 6)]
        chosen += [Composition(PATTERNS[p], colour, SHAPES[s], f) for s, p, f in row]
    return tuple(sorted(chosen, key=lambda composition: composition.name))


def class_names() -> tuple[list[str], list[str]]:
    """Return the names of the base classes and of the novel (held-out) classes."""
    base = [c.name for c in compositions() if not c.novel]
    novel = [c.name for c in compositions() if c.novel]
    return base, novel
