"""The list of classes a model, a dataset or a result speaks of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError

TRANSFER = ("coco", "coco_65", "voc", "objects365")
"""Detection datasets that a detector of LVIS is tested on without training."""
BUILT_IN = ("lvis_v1", "tao_validation", "tao_test", *TRANSFER)
FUSION_MASKS = ("novel", "released", "none")
_Item = TypeVar("_Item", bound=Hashable)
_FREQUENCIES = ("f", "c", "r")
# LVIS v1 misspells class 655; the class lists of open-vocabulary trackers, from which their text
# embeddings were computed, do not. Both spellings mean the same class.
_SPELLINGS = {"speaker_(stero_equipment)": "speaker_(stereo_equipment)"}

MAX_NAME = 500
"""Characters of a class name; CLIP reads some 70 words."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """An ordered list of class names with their dataset ids and their base/novel split.

    A label is a position in this list. In LVIS v1 **novel** are the 337 rare classes and **base**
    the 866 frequent and common ones; open-vocabulary TAO keeps that split on the 296 classes of
    its validation and the 357 of its test set (35 and 33 of them novel).

    Two masks exist for TAO. ``fusion_mask("novel")`` is the true one. ``fusion_mask("released")``
    is what the published code of VOVTrack uses when it fuses text and image scores: it compares
    category ids, which count from 1, with novel labels, which count from 0, so every entry is
    shifted by one class. It marks 86 and 104 classes of validation and test, of which 14 and 13
    are truly novel. Published numbers need the released mask; evaluation always uses the true one.

    One name needs care: the official LVIS v1 files write ``speaker_(stero_equipment)``, this
    vocabulary ``speaker_(stereo_equipment)``. Match classes by id; files read through
    :meth:`load` get the second spelling.

    Attributes:
        names: Class names, C of them, unique.
        category_ids: Dataset id of each class, unique.
        novel: (C,) bool, True for novel classes.
        released: (C,) bool, the released fusion mask, or None where none was published.

    Raises:
        InputError: Empty list, blank or duplicate names, duplicate ids, masks of another length.
    """

    names: tuple[str, ...]
    category_ids: tuple[int, ...]
    novel: NDArray[np.bool_]
    released: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        _check_names(self.names)
        if len(set(self.category_ids)) != len(self.category_ids):
            raise InputError(f"Category id {first_repeated(self.category_ids)!r} occurs twice.")
        object.__setattr__(self, "novel", _mask(self.novel, "novel"))
        if self.released is not None:
            object.__setattr__(self, "released", _mask(self.released, "released"))
        for values in (self.category_ids, self.novel, self.released):
            if values is not None and len(values) != len(self.names):
                raise InputError(f"{len(values)} values for {len(self.names)} class names.")

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return self.fingerprint == other.fingerprint and np.array_equal(self.novel, other.novel)

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        head = ", ".join(self.names[:3]) + (", ..." if len(self) > 3 else "")
        return f"Vocabulary({len(self)} classes, {int(self.novel.sum())} novel: {head})"

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that differ when an id, a name or the order differs."""
        lines = (f"{i}\t{name}" for i, name in zip(self.category_ids, self.names, strict=True))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    @cached_property
    def _labels(self) -> dict[int, int]:
        return {category_id: label for label, category_id in enumerate(self.category_ids)}

    def label_of(self, category_id: int) -> int:
        """Label of a dataset category id.

        Raises:
            InputError: The vocabulary has no such category.
        """
        try:
            return self._labels[category_id]
        except KeyError:
            raise InputError(
                f"Category id {category_id} is not one of the {len(self)} classes in use."
            ) from None

    def __contains__(self, category_id: object) -> bool:
        return category_id in self._labels

    def fusion_mask(self, kind: str) -> NDArray[np.bool_]:
        """Classes whose scores lean on the image branch when both branches are fused.

        Args:
            kind: ``"novel"``, the true novel classes; ``"released"``, the published mask (see the
                class docstring); ``"none"``, no class.

        Returns:
            (C,) bool.

        Raises:
            InputError: Unknown kind, or no released mask is known for this vocabulary.
        """
        if kind == "novel":
            return self.novel
        if kind == "none":
            return np.zeros(len(self), dtype=bool)
        if kind != "released":
            raise InputError(f"Fusion mask '{kind}' is not one of {', '.join(FUSION_MASKS)}.")
        if self.released is None:
            raise InputError(
                "A released fusion mask exists only for the vocabularies "
                "lvis_v1, tao_validation, tao_test; use fusion_mask='novel' for other class lists."
            )
        return self.released

    @classmethod
    def load(cls, spec: str | Path | Sequence[str] | Vocabulary) -> Vocabulary:
        """Make a vocabulary from whatever a config or a user writes.

        Args:
            spec: ``"lvis_v1"`` (1203 classes), ``"tao_validation"`` (296), ``"tao_test"`` (357),
                ``"coco"`` (80, 32 novel), ``"coco_65"`` (without the 15 novel ones that
                open-vocabulary COCO never tests), ``"voc"`` (20, 5 novel), ``"objects365"`` (365),
                the path of an annotation JSON (its ``categories`` in file order; novel where
                ``frequency`` is "r"), a list of names, or a vocabulary (returned as it is).

        Raises:
            InputError: Unknown name, unreadable file, or a list that is not a vocabulary.
        """
        if isinstance(spec, Vocabulary):
            return spec
        if isinstance(spec, (str, Path)):
            if spec == "lvis_v1":
                return _lvis_v1()
            if spec in TRANSFER:
                return _transfer(str(spec))
            if spec in BUILT_IN:
                return _tao(str(spec).removeprefix("tao_"))
            return _from_annotations(Path(spec))
        return cls.from_names(spec)

    @classmethod
    def parse(cls, classes: str | Path | Iterable[str] | Vocabulary) -> Vocabulary:
        """Make a vocabulary from what a user says, the same in every command.

        Args:
            classes: Names "a, b", or a list of them; the name of a packaged vocabulary, see
                :meth:`load`; a ``.txt`` file with a name per line; an annotation ``.json``.

        Raises:
            InputError: None of these, an unreadable file, or blank or repeated names.
        """
        if isinstance(classes, Vocabulary):
            return classes
        if isinstance(classes, Path):
            return _from_file(classes)
        if isinstance(classes, str):
            if classes.endswith((".txt", ".json")):
                return _from_file(Path(classes))
            return cls.load(classes) if classes in BUILT_IN else cls.from_names(classes.split(","))
        if not isinstance(classes, Iterable):
            raise InputError(f'The classes are {classes!r}, expected a list of names or "a, b".')
        return cls.from_names(classes)

    @classmethod
    def from_names(cls, names: Iterable[str]) -> Vocabulary:
        """Make a vocabulary of free class names; ids count from 1 and no class is novel.

        Raises:
            InputError: Empty list, blank names or duplicate names.
        """
        names = tuple(names)
        _check_names(names)
        names = tuple(name.strip() for name in names)
        return cls(names, tuple(range(1, len(names) + 1)), np.zeros(len(names), dtype=bool))


def _check_names(names: Sequence[str]) -> None:
    if not names:
        raise InputError("The class list is empty; give at least one class name.")
    for position, name in enumerate(names, start=1):
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"Class name {position} of {len(names)} is blank: {name!r}.")
        if len(name) > MAX_NAME or not name.strip().isprintable():
            raise InputError(
                f"Class name {position} of {len(names)} is longer than {MAX_NAME} characters or "
                f"holds control characters: {name[:40]!r}."
            )
    stripped = [name.strip() for name in names]
    if len(set(stripped)) != len(stripped):
        raise InputError(f"Class name '{first_repeated(stripped)}' occurs twice; remove one.")


def first_repeated(values: Iterable[_Item]) -> _Item | None:
    """The first value that an earlier one equals, or None."""
    first: dict[_Item, int] = {}
    return next((v for k, v in enumerate(values) if first.setdefault(v, k) != k), None)


def _mask(values: NDArray[np.bool_], name: str) -> NDArray[np.bool_]:
    mask = np.array(values, dtype=bool)
    if mask.ndim != 1:
        raise InputError(f"The {name} mask must be one-dimensional, not {mask.shape}.")
    mask.setflags(write=False)
    return mask


def _packaged(name: str) -> dict[str, Any]:
    path = files("vovtrack.structures") / "data" / name
    table: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return table


def lvis_v1_categories() -> list[dict[str, Any]]:
    """The 1203 categories of LVIS v1: ``id``, ``name``, ``synset``, ``frequency``."""
    table = _packaged("lvis_v1.json")
    return [dict(zip(table["columns"], row, strict=True)) for row in table["categories"]]


def coco_synsets() -> dict[int, str]:
    """WordNet synset of each category id of COCO, by which LVIS maps its classes to COCO's."""
    table = _packaged("transfer.json")["coco"]
    return dict(zip(table["category_ids"], table["synsets"], strict=True))


def _lvis_v1() -> Vocabulary:
    vocabulary = from_categories(lvis_v1_categories(), "lvis_v1")
    return replace(vocabulary, released=vocabulary.novel)


def _tao(split: str) -> Vocabulary:
    table = _packaged("tao_open_vocabulary.json")[split]
    lvis = _lvis_v1()
    labels = [lvis.label_of(category_id) for category_id in table["category_ids"]]
    names = tuple(lvis.names[label] for label in labels)
    released = np.array(table["released_mask"], dtype=bool)
    return Vocabulary(names, tuple(table["category_ids"]), lvis.novel[labels], released)


def _transfer(name: str) -> Vocabulary:
    table = _packaged("transfer.json")[name]
    novel = np.array([known in table.get("novel", ()) for known in table["names"]], dtype=bool)
    return Vocabulary(tuple(table["names"]), tuple(table["category_ids"]), novel)


def _from_file(path: Path) -> Vocabulary:
    if path.suffix != ".txt":
        return _from_annotations(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return Vocabulary.from_names(line for line in lines if line.strip())
    except OSError as error:
        raise InputError(f"{path}: cannot read the class names: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a UTF-8 text file ({error}).") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _from_annotations(path: Path) -> Vocabulary:
    if path.suffix != ".json":
        raise InputError(
            f"Vocabulary '{path}' is neither one of {', '.join(BUILT_IN)} nor an annotation file "
            "ending in .json."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot read the vocabulary: {error.strerror}.") from None
    except RecursionError:
        raise InputError(f"{path}: not valid JSON for any reader: nested too deeply.") from None
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error}).") from None
    if not isinstance(content, dict) or not isinstance(content.get("categories"), list):
        raise InputError(f"{path}: key 'categories' is missing or not a list.")
    return from_categories(content["categories"], str(path))


def from_categories(categories: Sequence[dict[str, Any]], source: str) -> Vocabulary:
    """Make a vocabulary from the ``categories`` of an annotation file.

    Args:
        categories: Dicts with ``id``, ``name`` and, for a base/novel split, ``frequency`` (f, c
            or r, the LVIS v1 training frequency); either all have it or none (then all are base).
        source: Name of the file, for messages.

    Raises:
        InputError: A key is missing or has an impossible value.
    """
    for position, category in enumerate(categories):
        for key, kind in (("id", int), ("name", str)):
            if not isinstance(category, dict) or not isinstance(category.get(key), kind):
                raise InputError(
                    f"{source}: key '{key}' of categories[{position}] is missing or not of type "
                    f"{kind.__name__}."
                )
    frequencies = [category.get("frequency") for category in categories]
    if any(frequencies):
        for category, frequency in zip(categories, frequencies, strict=True):
            if frequency not in _FREQUENCIES:
                raise InputError(
                    f"{source}: key 'frequency' of category '{category['name']}' must be one of "
                    f"{', '.join(_FREQUENCIES)}, not {frequency!r}."
                )
    try:
        return Vocabulary(
            names=tuple(_SPELLINGS.get(c["name"], c["name"]) for c in categories),
            category_ids=tuple(c["id"] for c in categories),
            novel=np.array([frequency == "r" for frequency in frequencies], dtype=bool),
        )
    except InputError as error:
        raise InputError(f"{source}: key 'categories': {error}") from None
