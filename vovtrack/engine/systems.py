"""What a system says of itself; the engine knows no system but by this.

A system is a package (``detpro``, ``ovtrack``, one of yours). Its registered parts are named by
its configs, which import it. What no config can say, its ``system.py`` declares: how checkpoints
of others name their tensors, what options were once called, which graphs can be exported.
Importing the package declares it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from mmengine.config import Config
from torch import nn

from vovtrack.engine import old_options
from vovtrack.engine.old_options import OldOptions
from vovtrack.engine.shipped import SYSTEMS

if TYPE_CHECKING:
    from vovtrack.engine.weights.conversion import Layout
    from vovtrack.engine.weights.export import Export

FLOOR = "vovtrack"


@dataclass(frozen=True, eq=False)
class System:
    """What a system declares.

    Attributes:
        package: Its dotted name; data configs may name the parts that it registers.
        layouts: Families of checkpoints that are its own or become its own, the most special first.
        old_options: What its options were once called.
        export: From a model of its own and the (height, width) of an example image to the networks
            to export; None if there are none.
    """

    package: str
    layouts: tuple[Layout, ...] = ()
    old_options: OldOptions = field(default_factory=OldOptions)
    export: Callable[[Any, tuple[int, int]], Export] | None = None


_DECLARED: dict[str, System] = {}


def declare(system: System) -> None:
    """Make a system known; declared again, it takes its own place."""
    _DECLARED[system.package] = system
    old_options.declare(system.old_options)


def systems() -> tuple[System, ...]:
    """The systems that were declared; one that is built on others comes before them."""
    return tuple(reversed(_DECLARED.values()))


def system_of(model: nn.Module) -> System | None:
    """The system that a model, or the nearest of the classes it inherits from, belongs to."""
    for cls in type(model).__mro__:
        for system in systems():
            if f"{cls.__module__}.".startswith(f"{system.package}."):
                return system
    return None


@cache
def shipped_packages() -> tuple[str, ...]:
    """The packages of the systems that come with the project, imported or not."""
    configs = (
        Config.fromfile(p, import_custom_modules=False) for p in sorted(SYSTEMS.glob("*.py"))
    )
    return tuple(name for config in configs for name in config.custom_imports["imports"])


def packages() -> tuple[str, ...]:
    """The packages whose parts a config may name: the floor and all systems."""
    return (FLOOR, *dict.fromkeys((*shipped_packages(), *_DECLARED)))


def is_own(module: str) -> bool:
    """Whether a module, by its dotted name, belongs to the floor or to a system."""
    return any(f"{module}.".startswith(f"{package}.") for package in packages())
