"""Class names that mean the same although they are written differently.

Classes are matched by name, never by the category ids of a dataset, which count from 1 in every
list of names and so mean another class in each.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from importlib.resources import files


def canonical_name(name: str) -> str:
    """One spelling for all names of a class.

    Case, underscores and repeated spaces do not count, and a synonym of LVIS v1 ("aeroplane")
    stands for its class ("airplane"). Words in parentheses do count: a "mouse" may be either of
    the two that LVIS tells apart.
    """
    plain = _plain(name)
    return _lvis_synonyms().get(plain, plain)


def find_names(wanted: Sequence[str], known: Sequence[str]) -> list[int | None]:
    """Where each wanted name stands among the known ones.

    The same name comes first, then one of the same :func:`canonical_name`. A name that fits
    several known ones, or shares its place with another wanted one ("man" and "woman" are synonyms
    of "person" in LVIS), is not found: it means something that ``known`` does not tell apart.

    Args:
        wanted: Names to look for, unique.
        known: Names to look in, unique.

    Returns:
        A place in ``known`` per wanted name, or None.
    """
    same = {name: place for place, name in enumerate(known)}
    alike = defaultdict(list)
    for place, name in enumerate(known):
        alike[canonical_name(name)].append(place)
    candidates = [
        [same[name]] if name in same else alike.get(canonical_name(name), []) for name in wanted
    ]
    uses = Counter(places[0] for places in candidates if len(places) == 1)
    return [
        places[0] if len(places) == 1 and (name in same or uses[places[0]] == 1) else None
        for name, places in zip(wanted, candidates, strict=True)
    ]


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())


@cache
def _lvis_synonyms() -> dict[str, str]:
    """Plain synonym -> plain name of its LVIS v1 class."""
    path = files("vovtrack.structures") / "data" / "lvis_v1_synonyms.json"
    rows = json.loads(path.read_text("utf-8"))["synonyms"]
    return {_plain(word): _plain(name) for name, *words in rows for word in words}
