"""Sentence templates that put a class name into words for a CLIP text encoder."""

from __future__ import annotations

from collections.abc import Sequence

from vovtrack.errors import InputError

_SIZES = ("", "small ", "medium ", "large ")
_ARTICLES = ("a", "the", "one")


def lvis_templates() -> tuple[str, ...]:
    """Return the 74 templates of the ViLD family of detectors, in their published order.

    Each string holds one ``{}`` for the class name. The mean of the 74 normalised sentence
    embeddings, normalised again, is the class embedding (Gu et al., ViLD, ICLR 2022).
    """
    sized = _SIZES[1:]
    scene = "{} in the scene"
    templates = ["This is a {}", "There is a {}"]
    templates += [f"a photo of a {size}{scene}" for size in _SIZES]
    templates += [f"a photo of a {size}{{}}" for size in _SIZES]
    templates += [f"This is a photo of a {size}{{}}" for size in _SIZES]
    templates += [f"There is {article} {scene}" for article in _ARTICLES]
    templates += [f"This is {article} {scene}" for article in _ARTICLES]
    templates += [f"This is one {size}{scene}" for size in sized]
    templates += [f"There is a {size}{scene}" for size in sized]
    templates += [
        f"{verb} {article} {size}{{}} in the {medium}"
        for verb in ("There is", "This is")
        for medium in ("photo", "picture")
        for size in _SIZES
        for article in _ARTICLES
    ]
    return tuple(templates)


TEMPLATE_SETS = {"lvis74": lvis_templates(), "name": ("{}",)}


def resolve_templates(templates: str | Sequence[str]) -> tuple[str, ...]:
    """Return the template strings that a name or a list stands for.

    Args:
        templates: A key of `TEMPLATE_SETS` ("lvis74", or "name" for the bare name), or format
            strings with exactly one ``{}``.

    Raises:
        InputError: Unknown set, empty list, or a string without exactly one ``{}``.
    """
    if isinstance(templates, str):
        if templates not in TEMPLATE_SETS:
            raise InputError(
                f"unknown template set {templates!r}; choose one of {', '.join(TEMPLATE_SETS)} or "
                "give a list of sentences with one {} each"
            )
        return TEMPLATE_SETS[templates]
    resolved = tuple(templates)
    if not resolved:
        raise InputError("the list of prompt templates is empty; give at least one, e.g. ['{}']")
    for template in resolved:
        if not isinstance(template, str) or template.count("{}") != 1:
            raise InputError(
                f"the prompt template {template!r} must be a sentence with exactly one {{}}, where "
                "the class name goes"
            )
    return resolved
