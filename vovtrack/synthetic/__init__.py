"""The mini world: a small synthetic open-vocabulary world with exact ground truth.

Objects are compositions such as "striped red star". Base classes are shown to training; novel
ones are held-out compositions whose every attribute pair is seen in base. `write_world` writes
LVIS-style stills, image pairs, TAO-style videos and unlabelled clips; `render_clip` gives one
clip in memory.
"""

from vovtrack.synthetic.classes import class_names
from vovtrack.synthetic.short_video import render_clip, world_vocabulary
from vovtrack.synthetic.sizes import SIZES, WorldSize
from vovtrack.synthetic.world import write_world

__all__ = [
    "SIZES",
    "WorldSize",
    "class_names",
    "render_clip",
    "world_vocabulary",
    "write_world",
]
