"""Command-line options of configs: old names translated, unknown names and wrong types refused.

``--cfg-options key=value ...`` changes a loaded config. Four things keep that honest:

* an option name of the original command lines (``total_epochs=10``) is translated, and the user is
  told the new name, or refused with what to type instead: :mod:`vovtrack.engine.old_options`;
* a key that the model does not know and its detector does is meant for the detector;
* a key that the config does not know is an :class:`~vovtrack.errors.InputError` naming the nearest
  keys, never a silent extra key;
* a value of another type than the one it replaces (a word for a number) is refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from mmengine import registry as base_registry
from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import Runner

import vovtrack.engine.mmdet2_options  # noqa: F401  declares what mmdet 2.x called things
from vovtrack import registry
from vovtrack.engine.old_options import OLD, Pair, boolean, literal, translate
from vovtrack.errors import InputError, did_you_mean

_ROOTS = {
    *(set(inspect.signature(Runner.__init__).parameters) - {"self", "cfg"}),
    *("model_wrapper_cfg", "find_unused_parameters", "sync_bn", "resume_from", "tta", "amp"),
    "online",
}
"""The first words of keys that a run reads; others matter only while a file is parsed."""
_DETECTOR = "model.detector."


def apply_options(
    config: Config, cfg_options: Sequence[str] = (), eval_options: Sequence[str] = ()
) -> list[str]:
    """Change a config by ``key=value`` texts, in place.

    Args:
        config: The loaded config.
        cfg_options: Texts of ``--cfg-options``; keys are dotted paths into the config, a number
            in a path indexes a list (``train_pipeline`` style lists).
        eval_options: Texts of ``--eval-options``, which change the test evaluator.

    Returns:
        One sentence for every option that was translated.

    Raises:
        InputError: A text without ``=``, an unknown key, a value of the wrong type, an option of
            a part that this config does not have, or contradicting class masks.
    """
    notices: list[str] = []
    typed = _translate_masks(config, _split(cfg_options), notices)
    typed = _translate_resumption(typed, notices)
    typed += [(f"test_evaluator.{key}", text) for key, text in _split(eval_options)]
    place = partial(_inside_detector, config)
    for key, text in typed:
        pairs, notice = translate(_without_nesting(config), key, text, place)
        notices += [notice.replace("'test_evaluator.", "'", 1)] if notice else []
        pairs = [(_inside_wrappers(config, new), value) for new, value in pairs]
        # Of several places that an option acts at, a config may lack some.
        there = [pair for pair in pairs if _containers(config, pair[0])]
        for new, value in there or pairs:
            _set(config, new, value, (key, text))
    return notices


def dotted_keys(config: Config) -> list[str]:
    """All keys of a config as dotted paths, branches included, list items by their index."""
    return [key for key, _ in leaves(config.to_dict())]


def settable_keys(config: Config) -> dict[str, Any]:
    """The keys that options can set, with their values; a list of plain values is one."""
    roots = {key: value for key, value in config.to_dict().items() if key in _ROOTS}
    flat = _without_nesting(config)
    return {k: v for k, v in _settable(roots) if _missing_part(flat, k) is None}


def _settable(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if _holds_keys(value):
            yield from _settable(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _holds_keys(value: Any) -> bool:
    """Whether a value is taken apart by dotted keys: a dict, or a list of such."""
    return bool(value) and (
        isinstance(value, dict)
        or (isinstance(value, (list, tuple)) and all(_holds_keys(item) for item in value))
    )


def _split(texts: Iterable[str]) -> list[Pair]:
    pairs = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise InputError(f"Option '{text}' is not of the form key=value.")
        pairs.append((key.strip(), value.strip()))
    return pairs


def _translate_resumption(typed: list[Pair], notices: list[str]) -> list[Pair]:
    """``resume`` with the ``load_from`` that was typed beside it names the run to continue."""
    given = dict(typed)
    if literal(given.get("resume", "False")) is not True or "load_from" not in given:
        return typed
    notices.append("Options 'resume' and 'load_from' together are now 'resume_from'.")
    kept = [pair for pair in typed if pair[0] not in ("resume", "load_from")]
    return [*kept, ("resume_from", given["load_from"])]


def _inside_wrappers(config: Config, key: str) -> str:
    """The same key of the dataset inside of those that wrap it (``dataset.dataset``)."""
    while ".dataset." in key:
        head, _, tail = key.rpartition(".dataset.")
        *path, last = key.split(".")
        found = [c for c in _find(config, path, last) if _accepts(c, last)]
        wrapped = [c for c in _find(config, head.split("."), "dataset") if isinstance(c, dict)]
        if found or not any("dataset" in c.get("dataset", {}) for c in wrapped):
            return key
        key = f"{head}.dataset.dataset.{tail}"
    return key


def _inside_detector(config: Config, key: str) -> str:
    """The same key of the model's detector, if that knows it and the model itself does not."""
    root, _, rest = key.partition(".")
    model = config.get("model") or {}
    detector = model.get("detector")
    name = rest.partition(".")[0]
    if root != "model" or not isinstance(detector, dict) or name in model:
        return key
    own = _accepts(model, name) and name not in detector
    return key if own or not _accepts(detector, name) else f"{_DETECTOR}{rest}"


def _without_nesting(config: Config) -> Config:
    """The config as if its model were a detector itself, as the old option names are meant."""
    model = config.get("model") or {}
    if not isinstance(model.get("detector"), dict):
        return config
    return Config({**config.to_dict(), "model": {**model["detector"], **model}})


def _translate_masks(config: Config, typed: list[Pair], notices: list[str]) -> list[Pair]:
    """Replace the class masks, and the parse-time variable ``vocabulary``, by where they act."""
    masks = {key: boolean(key, text) for key, text in typed if key in OLD.masks}
    on = [OLD.masks[key][0] for key, chosen in masks.items() if chosen]
    off = [OLD.masks[key][1] for key, chosen in masks.items() if not chosen]
    others = [(key, text) for key, text in typed if key not in OLD.masks and key != "vocabulary"]
    chosen = [text for key, text in typed if key == "vocabulary"]
    chosen += on or [vocabulary for vocabulary in off if vocabulary and not chosen]
    if len(set(chosen)) > 1:
        raise InputError(
            f"The options choose {len(set(chosen))} vocabularies at once "
            f"({', '.join(sorted(set(chosen)))}); give one."
        )
    if not chosen:
        return others
    keys = [key for key in dotted_keys(config) if _is_vocabulary_key(key)]
    if not keys:
        raise InputError("This config has no key 'model.vocabulary', so no class mask can be set.")
    names = " and ".join(masks) or "vocabulary"
    notices.append(f"Option '{names}' is now '{' and '.join(keys)}' = '{chosen[0]}'.")
    # An option that names such a key itself says more, so it comes later.
    return [(key, chosen[0]) for key in keys] + others


def _is_vocabulary_key(key: str) -> bool:
    root, _, rest = key.partition(".")
    acts = root == "model" or root.startswith(("val_", "test_"))
    return acts and rest.split(".")[-1] == "vocabulary"


def _set(config: Config, key: str, text: str, typed: Pair) -> None:
    """Set one dotted key everywhere it applies (each item of a list that has it).

    Args:
        config: Is changed.
        key: Key of today.
        text: Its value.
        typed: Key and value as the user typed them, for messages.
    """
    option = "=".join(typed)
    if (missing := _missing_part(_without_nesting(config), key)) is not None:
        raise InputError(
            f"Option '{option}': this config has no {missing}, so it would change nothing; "
            "leave the option out."
        )
    containers = _containers(config, key)
    if not containers:
        raise InputError(_unknown(config, key, typed[0]))
    last = key.rpartition(".")[2]
    for container in containers:
        listed = isinstance(container, list)
        current = container[int(last)] if listed else container.get(last)
        value = convert(option, text, current, _argument(container, last))
        if last == "type":
            _check_class(container, current, value, option)
        container[int(last) if listed else last] = value


def _missing_part(flat: Config, key: str) -> str | None:
    """What a config, without nesting, lacks for a key to have an effect; None if nothing."""
    key = key.replace(_DETECTOR, "model.", 1)
    for part, (needed, name) in OLD.parts.items():
        concerned = key == part or (part.endswith(".") and key.startswith(part))
        if concerned and not _has(flat, needed):
            return name
    return None


def _has(config: Config, key: str) -> bool:
    """Whether a dotted key is there and not None."""
    *path, last = key.split(".")
    found = (c for c in _find(config, path, last) if isinstance(c, dict | Config))
    return any(container.get(last) is not None for container in found)


def _containers(config: Config, key: str) -> list[Any]:
    """The parts of a config in which a dotted key may be set."""
    *path, last = key.split(".")
    if key.split(".")[0] not in _ROOTS:
        return []
    return [c for c in _find(config, path, last) if _accepts(c, last)]


def _check_class(container: dict, current: str, wanted: str, option: str) -> None:
    """Refuse a class that is none, or that cannot take what the present one is given."""
    taken = constructor_arguments(current)
    if not taken:
        return
    arguments = constructor_arguments(wanted)
    if not arguments:
        raise InputError(f"Option '{option}': there is no class '{wanted}' here.")
    left = [name for name in container if name in taken and name not in {"type", *arguments}]
    if left:
        raise InputError(
            f"Option '{option}': a {wanted} does not take {', '.join(left)}, which the config "
            f"sets; give the part as a whole: \"{{'type': '{wanted}', ...}}\"."
        )


def _find(node: Any, path: Sequence[str], last: str) -> Iterator[Any]:
    """Yield the containers at a dotted path; a name met by a list goes into each of its items."""
    head, rest = (path[0], path[1:]) if path else (last, None)
    if isinstance(node, (list, tuple)) and not head.isdigit():
        for item in node:
            yield from _find(item, path, last)
    elif rest is None:
        yield node
    elif isinstance(node, (list, tuple)):
        if int(head) < len(node):
            yield from _find(node[int(head)], rest, last)
    elif isinstance(node, (Config, dict)) and node.get(head) is not None:
        yield from _find(node[head], rest, last)


def _accepts(container: Any, key: str) -> bool:
    """Whether a container may get a key: it has it, or the class it configures takes it."""
    if isinstance(container, Config):
        return key in _ROOTS
    if isinstance(container, list):
        return int(key) < len(container)
    if not isinstance(container, dict):
        return False
    return key in container or key in constructor_arguments(container.get("type"))


def constructor_arguments(type_: Any) -> dict[str, inspect.Parameter]:
    """What the constructor of a registered class takes, those of its bases included."""
    modules = (registry, base_registry)
    registries = [r for m in modules for r in vars(m).values() if isinstance(r, Registry)]
    cls = type_
    if isinstance(type_, str):
        cls = next((found for r in registries if (found := r.get(type_))), None)
    if not inspect.isclass(cls):
        return {}
    constructors = [vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base)]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {
        name: parameter
        for constructor in reversed(constructors)
        if inspect.isfunction(constructor)
        for name, parameter in inspect.signature(constructor).parameters.items()
        if parameter.kind in named and name != "self"
    }


def _argument(container: Any, key: str) -> inspect.Parameter | None:
    """The constructor argument that a key of a config is given to, if it is known."""
    if not isinstance(container, dict):
        return None
    return constructor_arguments(container.get("type")).get(key)


def _unknown(config: Config, key: str, typed: str) -> str:
    known = dotted_keys(config)
    settable = [k for k in known if k.split(".")[0] in _ROOTS]
    if key in known and key not in settable:
        uses = [k for k in settable if k.split(".")[-1] == key.split(".")[-1]]
        where = f" Set where it is used: {', '.join(uses[:4])}." if uses else ""
        return (
            f"Option '{key}' is a variable read only while the config file is parsed; "
            f"setting it afterwards would change nothing.{where}"
        )
    if typed not in (key, key.replace(_DETECTOR, "model.", 1)):
        return (
            f"Option '{typed}' is now '{key}', which this config does not have: "
            "leave the option out."
        )
    same_leaf = [k for k in settable if k.split(".")[-1] == key.split(".")[-1]]
    hint = did_you_mean(key, same_leaf, cutoff=0) or did_you_mean(key, [*settable, *OLD.names()])
    return f"Unknown option '{typed}': the config has no such key.{hint}"


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values, branches included."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, (list, tuple)):
        items = enumerate(node)
    for key, value in items:
        yield f"{prefix}{key}", value
        yield from leaves(value, f"{prefix}{key}.")


def convert(option: str, text: str, current: Any, argument: inspect.Parameter | None = None) -> Any:
    """Turn an option's text into a value of the type of the value that it replaces.

    Args:
        option: The option as typed, for messages.
        text: Its value.
        current: The value that it replaces; None says nothing of the type.
        argument: Constructor argument that takes it, which may allow fractions where the config
            happens to have a whole number.

    Raises:
        InputError: The text is of another type.
    """
    value = literal(text)
    if current is None or value is None:
        return value
    if isinstance(current, str):
        listed = isinstance(value, (list, tuple)) and _takes(argument, "Sequence", "list", "tuple")
        return value if isinstance(value, str) or listed else text
    if isinstance(current, bool):
        fits, expected = isinstance(value, bool), "True or False"
    elif isinstance(current, (int, float)):
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        expected = "a number"
        if fits and isinstance(current, int) and not _takes(argument, "float"):
            fits, expected = float(value).is_integer(), "a whole number"
            value = int(value) if fits else value
    elif isinstance(current, (list, tuple)):
        fits, expected = isinstance(value, (list, tuple)), "a list"
    else:
        fits, expected = isinstance(value, (type(current), dict)), "a dict"
    if not fits:
        raise InputError(f"Option '{option}': expected {expected}, as in the config ({current!r}).")
    return type(current)(value) if isinstance(current, (list, tuple, float)) else value


def _takes(argument: inspect.Parameter | None, *types: str) -> bool:
    """Whether an argument is declared as, or has a default of, one of some types."""
    if argument is None:
        return False
    declared = f"{argument.annotation} {type(argument.default).__name__}"
    return any(name in declared for name in types)
