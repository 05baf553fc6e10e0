"""What can be turned up and down in a world."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from vovtrack.errors import InputError, did_you_mean

_HIGHEST = 10.0


@dataclass(frozen=True)
class Dials:
    """Difficulties of rendered video; every dial is a factor, 0 turns its difficulty off.

    Attributes:
        speed: Speed of the objects, also of their turning.
        occlusion: Number of bars that hide things; above 1 they are wider as well.
        reentry: How often an object leaves the image, to return later.
        shake: Jerks of the camera from frame to frame, in percent of the image width.
        drift: Slow change of brightness.
        blur: Share of blurred videos, and length of their exposure.
        darkness: Share of videos in low light.
        lookalikes: How often an object repeats the class of another one.
        shared_texture: Probability that a look-alike has the same surface as the object it repeats.
        tints: How much the colours of objects of one class differ; 0 leaves pattern, shape, size
            and surface to tell them apart.
        crowd: Number of objects.
        clutter: Number of things in the background that belong to no class.
        photographs: Share of backgrounds and surfaces taken from photographs.
    """

    speed: float = 1.0
    occlusion: float = 1.0
    reentry: float = 1.0
    shake: float = 0.0
    drift: float = 1.0
    blur: float = 1.0
    darkness: float = 1.0
    lookalikes: float = 1.0
    shared_texture: float = 0.0
    tints: float = 1.0
    crowd: float = 1.0
    clutter: float = 1.0
    photographs: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value <= _HIGHEST:
                raise InputError(
                    f"the dial '{field.name}' is {value}: expected a number from 0 to {_HIGHEST:g}"
                )

    def turned(self, /, **values: float) -> Dials:
        """Return a copy with some dials at other values.

        Raises:
            InputError: A name is not a dial, or a value is out of range.
        """
        names = [field.name for field in fields(self)]
        for name in values:
            if name not in names:
                raise InputError(
                    f"'{name}' is not a dial: the dials are {', '.join(names)}."
                    + did_you_mean(name, names, count=1)
                )
        return replace(self, **values)
