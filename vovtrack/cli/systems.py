"""All systems that there are, for verbs that no config tells which one is meant."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vovtrack.engine.systems import System

PLUGINS = "vovtrack.systems"
"""Group of entry points by which an installed package of others announces its systems."""


def collect_systems() -> tuple[System, ...]:
    """Import every system, so that it declares itself.

    These are the systems that come with the project, and those of packages whose metadata names
    them as entry points of the group ``vovtrack.systems``.

    Raises:
        InputError: A system of others cannot be imported.
    """
    from importlib.metadata import entry_points

    from vovtrack.engine.systems import shipped_packages, systems
    from vovtrack.errors import InputError

    for package in shipped_packages():
        importlib.import_module(package)
    for plugin in entry_points(group=PLUGINS):
        try:
            plugin.load()
        except ImportError as error:
            raise InputError(
                f"The system '{plugin.name}' ({plugin.value}) cannot be imported: {error}. Mend or "
                "uninstall the package that brings it."
            ) from None
    return systems()
