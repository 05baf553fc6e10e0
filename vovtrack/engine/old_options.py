"""Option names of the original command lines, and what they are today.

The originals are configs of mmdet 2.x, whose runner, schedule and data options are listed here.
What the parts of a system were called, the system itself declares
(:mod:`vovtrack.engine.systems`) when a config imports it. Every old name is answered: translated
with a notice, or refused with a sentence that says what to type instead.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mmengine.config import Config

from vovtrack.errors import InputError

Pair = tuple[str, str]
"""Key and text of an option."""
Translator = Callable[[Config, str, str], list[Pair]]
"""From a config, an old key and its text to the options of today, none if there is nothing to set;
raises :class:`InputError` for a text that cannot be translated."""


@dataclass(frozen=True)
class OldOptions:
    """Old option names by what becomes of them; a name that ends with a dot stands for all in it.

    Attributes:
        renamed: To the keys that take the value; of several, those that the config has.
        translated: To a function, where the value changes too.
        settled: To the only value that there is today, and the reason; other values are refused.
        gone: To the sentence that says what to type instead.
        masks: Boolean class masks, to the vocabularies that take their place, for True and False.
        parts: Keys of today, to a key that must not be None for them to have an effect, and what
            that is.
    """

    renamed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    translated: dict[str, Translator] = field(default_factory=dict)
    settled: dict[str, tuple[Any, str]] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    masks: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    parts: dict[str, tuple[str, str]] = field(default_factory=dict)

    def names(self) -> list[str]:
        """All old names."""
        return [*self.renamed, *self.translated, *self.settled, *self.gone, *self.masks]


def declare(options: OldOptions) -> None:
    """Add the old names of a system to those that :func:`translate` knows."""
    for known, new in zip(vars(OLD).values(), vars(options).values(), strict=True):
        known.update(new)


def translate(
    config: Config, key: str, text: str, place: Callable[[str], str] = str
) -> tuple[list[Pair], str | None]:
    """What an option of any age is today.

    Args:
        config: The config that it is for.
        key: Its key; wrappers of datasets (``data.train.dataset.dataset``) may be left out.
        text: Its value as typed.
        place: Tells where in the config a key of today lies.

    Returns:
        Keys with their texts, and a notice for the user if they are not what was typed.

    Raises:
        InputError: An old option that has no counterpart, or not for this value.
    """
    name = re.sub(r"^(data\.(?:train|val|test))(?:\.dataset)+\.", r"\1.", key)
    found = _lookup(name)
    if found in OLD.gone:
        raise InputError(f"Option '{key}={text}': {OLD.gone[found]}.")
    if found in OLD.settled:
        value, reason = OLD.settled[found]
        if literal(text) != value:
            raise InputError(f"Option '{key}={text}': {reason}; leave the option out.")
        return [], f"Option '{key}={text}' says what is always so here."
    if found is None:
        pairs = [(key, text)]
    elif found in OLD.translated:
        pairs = OLD.translated[found](config, name, text)
    else:
        rest = name.removeprefix(found) if found.endswith(".") else ""
        pairs = [(new + rest, text) for new in OLD.renamed[found]]
    if not pairs:
        return [], f"Option '{key}={text}' says what this config does anyway."
    pairs = [(place(new), same) for new, same in pairs]
    if pairs == [(key, text)]:
        return pairs, None
    meant = " and ".join(new if same == text else f"{new}={same}" for new, same in pairs)
    return pairs, f"Option '{key}' is now '{meant}'."


def literal(text: str) -> Any:
    """Read a value as typed on a command line: Python literal, bare words, bare comma lists."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        pass
    if text[:1] == "[" and text[-1:] == "]":
        return [literal(item.strip()) for item in text[1:-1].split(",") if item.strip()]
    return [literal(item.strip()) for item in text.split(",")] if "," in text else text


def boolean(key: str, text: str) -> bool:
    """Read True or False.

    Raises:
        InputError: It is neither.
    """
    value = literal(text)
    if not isinstance(value, bool):
        raise InputError(f"Option '{key}={text}': expected True or False.")
    return value


def _lookup(name: str) -> str | None:
    """The name itself, or the longest beginning of it, that is declared."""
    known = set(OLD.names()) - set(OLD.masks)
    parts = name.split(".")
    starts = (".".join(parts[:n]) + "." for n in range(len(parts) - 1, 0, -1))
    return next((entry for entry in (name, *starts) if entry in known), None)


OLD = OldOptions()
"""All that was declared."""
