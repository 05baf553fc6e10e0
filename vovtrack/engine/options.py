"""Command-line options of configs: old names translated, unknown names and wrong types refused.

``--cfg-options key=value ...`` changes a loaded config. Three things keep that honest:

* an option name of the original command lines (``total_epochs=10``) is translated by the tables
  below, and the user is told the new name;
* a key that the config does not know is an :class:`~vovtrack.errors.InputError` naming the nearest
  keys, never a silent extra key;
* a value of another type than the one it replaces (a word for a number) is refused.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mmengine import registry as base_registry
from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import Runner

from vovtrack import registry
from vovtrack.errors import InputError

RENAMED: dict[str, tuple[str, ...]] = {
    "total_epochs": ("train_cfg.max_epochs",),
    "runner.max_epochs": ("train_cfg.max_epochs",),
    "evaluation.start": ("train_cfg.val_begin",),
    "evaluation.interval": ("train_cfg.val_interval",),
    "checkpoint_config.interval": ("default_hooks.checkpoint.interval",),
    "log_config.interval": ("default_hooks.logger.interval",),
    "optimizer.type": ("optim_wrapper.optimizer.type",),
    "optimizer.lr": ("optim_wrapper.optimizer.lr",),
    "optimizer.momentum": ("optim_wrapper.optimizer.momentum",),
    "optimizer.weight_decay": ("optim_wrapper.optimizer.weight_decay",),
    "data.samples_per_gpu": ("train_dataloader.batch_size",),
    "data.workers_per_gpu": (
        "train_dataloader.num_workers",
        "val_dataloader.num_workers",
        "test_dataloader.num_workers",
    ),
    "data.train.ann_file": ("train_dataloader.dataset.ann_file",),
    "data.train.img_prefix": ("train_dataloader.dataset.data_prefix.img",),
    "data.test.img_prefix": ("test_dataloader.dataset.data_prefix.img",),
    "data.val.ann_file": ("val_dataloader.dataset.ann_file", "val_evaluator.ann_file"),
    "data.test.ann_file": ("test_dataloader.dataset.ann_file", "test_evaluator.ann_file"),
    "model.roi_head.prompt_path": ("model.roi_head.classifier.text_bank",),
    "model.roi_head.spatial_learning_rate": ("model.spatial_loss.loss_weight",),
}
"""Option name of the original command lines -> the keys of today's configs that it sets."""

PATHS = {name for name in RENAMED if name.startswith("data.") and not name.endswith("_gpu")}
"""Old options whose value is a path from the working directory; today's data sets have a root."""

RENAMED_EVAL: dict[str, tuple[str, ...]] = {
    "resfile_path": ("test_evaluator.out_dir",),
}
"""The same for ``--eval-options``."""

CATEGORY_MASKS: dict[str, str] = {
    "model.roi_head.only_validation_categories": "tao_validation",
    "model.roi_head.only_test_categories": "tao_test",
}
"""Boolean class masks of the original -> the vocabulary that takes their place."""

LOAD_FEATURE = "model.roi_head.load_feature"
"""Whether teacher features come from disk: today a choice of the data pipeline."""

PARTS: dict[str, str] = {
    "model.spatial_loss": "spatial loss (self-supervised training, stage 4)",
}
"""Optional parts of a model whose options are understood although a config may lack the part."""

_ROOTS = {
    *(set(inspect.signature(Runner.__init__).parameters) - {"self", "cfg"}),
    *("model_wrapper_cfg", "find_unused_parameters", "sync_bn"),
}
"""The first words of keys that the runner reads; others matter only while a file is parsed."""


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
    settings = _translate_masks(config, _split(cfg_options), notices)
    settings = _translate_feature_source(config, settings, notices)
    settings = _rename(settings, RENAMED, notices)
    settings = [(_inside_wrappers(config, key), text) for key, text in settings]
    settings += _rename(_eval_keys(_split(eval_options)), RENAMED_EVAL, notices)
    for key, text in settings:
        _set(config, key, text)
    return notices


def dotted_keys(config: Config) -> list[str]:
    """All keys of a config as dotted paths, branches included, list items by their index."""
    return [key for key, _ in _leaves(config.to_dict())]


def _split(texts: Iterable[str]) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise InputError(f"Option '{text}' is not of the form key=value.")
        pairs.append((key.strip(), value.strip()))
    return pairs


def _rename(
    settings: list[tuple[str, str]], table: dict[str, tuple[str, ...]], notices: list[str]
) -> list[tuple[str, str]]:
    renamed = []
    for key, text in settings:
        targets = table.get(key)
        if targets:
            notices.append(f"Option '{key}' is now '{' and '.join(targets)}'.")
        value = os.path.abspath(text) if key in PATHS else text
        renamed += [(target, value) for target in targets or (key,)]
    return renamed


def _inside_wrappers(config: Config, key: str) -> str:
    """The same key of the data set inside of those that wrap it (``dataset.dataset``)."""
    while ".dataset." in key:
        head, _, tail = key.rpartition(".dataset.")
        *path, last = key.split(".")
        found = [c for c in _find(config, path, last) if _accepts(c, last)]
        wrapped = [c for c in _find(config, head.split("."), "dataset") if isinstance(c, dict)]
        if found or not any("dataset" in c.get("dataset", {}) for c in wrapped):
            return key
        key = f"{head}.dataset.dataset.{tail}"
    return key


def _eval_keys(settings: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(k if k in RENAMED_EVAL else f"test_evaluator.{k}", text) for k, text in settings]


def _translate_masks(
    config: Config, settings: list[tuple[str, str]], notices: list[str]
) -> list[tuple[str, str]]:
    """Replace the class masks, and the parse-time variable ``vocabulary``, by where they act."""
    masks = {k: _boolean(k, text) for k, text in settings if k in CATEGORY_MASKS}
    others = [(k, text) for k, text in settings if k not in CATEGORY_MASKS and k != "vocabulary"]
    chosen = [text for k, text in settings if k == "vocabulary"]
    chosen += [CATEGORY_MASKS[k] for k, on in masks.items() if on]
    if len(set(chosen)) > 1:
        raise InputError(
            f"The options choose {len(set(chosen))} vocabularies at once "
            f"({', '.join(sorted(set(chosen)))}); give one."
        )
    if not chosen and masks.get("model.roi_head.only_validation_categories") is False:
        chosen = ["lvis_v1"]
    if not chosen:
        return others
    keys = [key for key in dotted_keys(config) if _is_vocabulary_key(key)]
    if not keys:
        raise InputError("This config has no key 'model.vocabulary', so no class mask can be set.")
    names = " and ".join(masks) or "vocabulary"
    notices.append(f"Option '{names}' is now '{' and '.join(keys)}' = '{chosen[0]}'.")
    # An option that names such a key itself says more, so it comes later.
    return [(key, chosen[0]) for key in keys] + others


def _translate_feature_source(
    config: Config, settings: list[tuple[str, str]], notices: list[str]
) -> list[tuple[str, str]]:
    """Point the old switch at the transforms that load features."""
    kept = [pair for pair in settings if pair[0] != LOAD_FEATURE]
    chosen = [text for key, text in settings if key == LOAD_FEATURE]
    if not chosen:
        return kept
    keys = [
        key.removesuffix(".type") + ".load_feature"
        for key, value in _leaves(config.to_dict())
        if key.startswith("train_dataloader.") and value == "LoadRegionFeatures"
    ]
    if not keys:
        raise InputError(
            f"Option '{LOAD_FEATURE}={chosen[0]}': the training data of this config load no region "
            "features; leave the option out."
        )
    notices.append(f"Option '{LOAD_FEATURE}' is now '{' and '.join(keys)}'.")
    return kept + [(key, chosen[-1]) for key in keys]


def _is_vocabulary_key(key: str) -> bool:
    root, _, rest = key.partition(".")
    acts = root == "model" or root.startswith(("val_", "test_"))
    return acts and rest.split(".")[-1] == "vocabulary"


def _boolean(key: str, text: str) -> bool:
    value = _literal(text)
    if not isinstance(value, bool):
        raise InputError(f"Option '{key}={text}': expected True or False.")
    return value


def _set(config: Config, key: str, text: str) -> None:
    """Set one dotted key everywhere it applies (each item of a list that has it)."""
    for part, name in PARTS.items():
        if key.startswith(f"{part}.") and not any(_find(config, part.split("."), "")):
            raise InputError(
                f"Option '{key}={text}': this config has no {name}; leave the option out."
            )
    *path, last = key.split(".")
    containers = [c for c in _find(config, path, last) if _accepts(c, last)]
    if not containers or key.split(".")[0] not in _ROOTS:
        raise InputError(_unknown(config, key))
    for container in containers:
        if isinstance(container, list):
            container[int(last)] = _convert(key, text, container[int(last)])
        else:
            container[last] = _convert(key, text, container.get(last))


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
    return key in container or key in _constructor_arguments(container.get("type"))


def _constructor_arguments(type_: Any) -> set[str]:
    """Names that the constructor of a registered class takes, those of its bases included."""
    modules = (registry, base_registry)
    registries = [r for m in modules for r in vars(m).values() if isinstance(r, Registry)]
    cls = type_
    if isinstance(type_, str):
        cls = next((found for r in registries if (found := r.get(type_))), None)
    if not inspect.isclass(cls):
        return set()
    constructors = [vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base)]
    return {
        name
        for constructor in constructors
        if inspect.isfunction(constructor)
        for name, parameter in inspect.signature(constructor).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    } - {"self"}


def _unknown(config: Config, key: str) -> str:
    known = dotted_keys(config)
    settable = [k for k in known if k.split(".")[0] in _ROOTS]
    if key in known and key not in settable:
        uses = [k for k in settable if k.split(".")[-1] == key.split(".")[-1]]
        where = f" Set where it is used: {', '.join(uses[:4])}." if uses else ""
        return (
            f"Option '{key}' is a variable read only while the config file is parsed; "
            f"setting it afterwards would change nothing.{where}"
        )
    candidates = settable + list(RENAMED) + list(CATEGORY_MASKS)
    near = difflib.get_close_matches(key, candidates, n=4, cutoff=0.6)
    same_leaf = [k for k in settable if k.split(".")[-1] == key.split(".")[-1]]
    near += [k for k in same_leaf if k not in near][: 4 - len(near)]
    hint = f" Near matches: {', '.join(near)}." if near else ""
    return f"Unknown option '{key}': the config has no such key.{hint}"


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values, branches included."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, (list, tuple)):
        items = enumerate(node)
    for key, value in items:
        yield f"{prefix}{key}", value
        yield from _leaves(value, f"{prefix}{key}.")


def _literal(text: str) -> Any:
    """Read a value as typed on a command line: Python literal, bare words, bare comma lists."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        pass
    if text[:1] == "[" and text[-1:] == "]":
        return [_literal(item.strip()) for item in text[1:-1].split(",") if item.strip()]
    return [_literal(item.strip()) for item in text.split(",")] if "," in text else text


def _convert(key: str, text: str, current: Any) -> Any:
    """Turn an option's text into a value of the type of the value that it replaces."""
    value = _literal(text)
    if current is None or value is None:
        return value
    if isinstance(current, str):
        return value if isinstance(value, str) else text
    if isinstance(current, bool):
        fits, expected = isinstance(value, bool), "True or False"
    elif isinstance(current, (int, float)):
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        expected = "a number"
    elif isinstance(current, (list, tuple)):
        fits, expected = isinstance(value, (list, tuple)), "a list"
    else:
        fits, expected = isinstance(value, (type(current), dict)), "a dict"
    if not fits:
        raise InputError(
            f"Option '{key}={text}': expected {expected}, as in the config ({current!r})."
        )
    return type(current)(value) if isinstance(current, (list, tuple, float)) else value
