"""YAML that is data: no tags that run code, no nest of references that fills the memory."""

from __future__ import annotations

import yaml
from mmengine.fileio.handlers import yaml_handler

MAX_VALUES = 1_000_000
"""Values of one document, references counted as often as they are used."""


class PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader, with a limit for what references multiply.

    It is the one in Python: the recursion of the one in C can overflow the stack.
    """

    def construct_document(self, node: yaml.Node) -> object:
        """Build the document after counting its values."""
        if _num_values(node, {}) > MAX_VALUES:
            raise yaml.constructor.ConstructorError(
                None, None, f"more than {MAX_VALUES} values", node.start_mark
            )
        return super().construct_document(node)


def install() -> None:
    """Make mmengine read YAML files with :class:`PlainLoader`."""
    yaml_handler.Loader = PlainLoader


def _num_values(node: yaml.Node, known: dict[int, int]) -> int:
    if id(node) not in known:
        known[id(node)] = MAX_VALUES  # what a node that contains itself finds
        children = [] if isinstance(node, yaml.ScalarNode) else node.value
        pairs = (child if isinstance(child, tuple) else (child,) for child in children)
        count = 1 + sum(_num_values(part, known) for pair in pairs for part in pair)
        known[id(node)] = min(count, MAX_VALUES + 1)
    return known[id(node)]
