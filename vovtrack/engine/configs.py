"""Reading configs: YAML and JSON are data, a ``.py`` config is a program and must be trusted.

Trusted are the configs of this project. Any other ``.py`` config, and a data config that names
code outside of the project, needs the user's word: ``--trust-config``.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from mmengine.config import Config
from mmengine.config.utils import ConfigParsingError
from mmengine.utils import import_modules_from_strings

from vovtrack import compat
from vovtrack.compat.plain_yaml import PlainLoader
from vovtrack.engine.shipped import CONFIGS, SHIPPED
from vovtrack.errors import InputError
from vovtrack.files.archives import read_json

NAMES = {"mini": "configs/mini/ovtrack.py"}
"""Short names of configs that come with weights."""
DATA_SUFFIXES = (".yaml", ".yml", ".json")
TYPE_KEYS = ("type", "constructor", "runner_type")
"""Keys whose value mmengine looks up in a registry, or imports where it has dots."""
SCOPE_KEYS = ("default_scope", "_scope_")
PACKAGES = ("vovtrack", "detpro", "ovtrack", "mmdet")
"""Packages that a data config may import parts from."""
SCOPED_TYPE = re.compile(r"(mmengine|mmcv|mmdet)\.[A-Z]\w*")
VARIABLE = re.compile(r"\{\{[^{}\n]*\}\}")
OPT_IN = "If you trust its author, add --trust-config (in Python: trust_config=True)."


def find_config(config_or_name: str | Path) -> Path:
    """Path of a config given by short name, file name or path; near matches if there is none."""
    for candidate in (Path(config_or_name), SHIPPED / NAMES.get(str(config_or_name), "-")):
        if candidate.is_file():
            return candidate
    known = {path.stem: path for path in CONFIGS.rglob("*.py") if "_base_" not in path.parts}
    if str(config_or_name) in known:
        return known[str(config_or_name)]
    near = difflib.get_close_matches(str(config_or_name), [*NAMES, *known], n=3, cutoff=0.4)
    hint = f" Near matches: {', '.join(near)}." if near else ""
    raise InputError(f"There is no config '{config_or_name}'.{hint}")


def read_config(path: str | Path, trust_config: bool = False) -> Config:
    """Read a config file and the files it is based on.

    Data configs (``.yaml``, ``.yml``, ``.json``) may name ``.py`` configs of the project under
    ``_base_``; variables in double braces are for ``.py`` configs alone.

    Args:
        path: The file.
        trust_config: Run it even if it is a ``.py`` file from outside of the project's configs,
            and let it import what it names.

    Raises:
        InputError: The file cannot be read, or it would run code that was not trusted.
    """
    compat.install()
    path = Path(path)
    try:
        if path.suffix.lower() in DATA_SUFFIXES:
            return _read_data(path, trust_config)
        if not trust_config and not path.resolve().is_relative_to(CONFIGS):
            raise InputError(
                f"Config '{path}' cannot be read as data: a '{path.suffix}' config is a program, "
                f"and this one lies outside of the project's configs; it was not run. {OPT_IN} "
                "Or write it as YAML, with a config of the project as its _base_."
            )
        return Config.fromfile(path)
    except InputError:
        raise
    except RecursionError:
        raise InputError(f"Config '{path}' cannot be read: nested too deeply.") from None
    except (OSError, ValueError, SyntaxError, ConfigParsingError, ImportError) as error:
        raise InputError(f"Config '{path}' cannot be read: {error}.") from None


def _read_data(path: Path, trust_config: bool) -> Config:
    content = _parse(path)
    if not trust_config:
        _refuse_code(path, content)
    bases = content.pop("_base_", [])
    merged: dict[str, Any] = {}
    for name in bases if isinstance(bases, list) else [bases]:
        base = read_config(path.parent / str(name), trust_config)
        if repeated := merged.keys() & base.keys():
            raise InputError(
                f"Config '{path}': two of its bases set {', '.join(sorted(repeated))}."
            )
        merged.update(base.items())
    try:
        merged = Config._merge_a_into_b(content, merged)
        config = Config(merged, filename=path)
    except (TypeError, KeyError) as error:
        raise InputError(f"Config '{path}' does not fit its bases: {error}.") from None
    if config.get("custom_imports"):
        import_modules_from_strings(**config.custom_imports)
    return config


def _parse(path: Path) -> dict[str, Any]:
    if path.suffix.lower() == ".json":
        content = read_json(path)
    else:
        try:
            content = yaml.load(path.read_text(encoding="utf-8"), PlainLoader)
        except yaml.YAMLError as error:
            reason = " ".join(str(error).split())
            raise InputError(f"Config '{path}' is no plain YAML: {reason}.") from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InputError(f"Config '{path}' holds no mapping of names to values.")
    if variable := VARIABLE.search(path.read_text(encoding="utf-8")):
        raise InputError(
            f"Config '{path}' uses '{variable[0]}', which only .py configs know: write it out."
        )
    return content


def _refuse_code(path: Path, content: dict[str, Any]) -> None:
    """Raise where plain data would make mmengine import or call what is not registered."""
    for key, value in _walk(content):
        for name in _foreign_names(key, value):
            raise InputError(
                f"Config '{path}' names '{name}' under '{key}', code that is no part of this "
                f"project; it was not run. {OPT_IN}"
            )


def _foreign_names(key: Any, value: Any) -> list[Any]:
    if value is None:
        return []
    if key == "custom_imports":
        imports = value.get("imports", []) if isinstance(value, dict) else value
        names = imports if isinstance(imports, list) else [imports]
        return [name for name in names if str(name).split(".")[0] not in PACKAGES]
    if key in TYPE_KEYS:
        return [] if _is_registered_name(str(value)) else [value]
    if key in SCOPE_KEYS:
        return [] if value in (*PACKAGES, "mmengine") else [value]
    return []


def _is_registered_name(name: str) -> bool:
    """Whether a name can only mean a registered class: mmengine imports those it does not know."""
    if "." in name:
        return SCOPED_TYPE.fullmatch(name) is not None
    return name.isidentifier() and importlib.util.find_spec(name) is None


def _walk(node: Any) -> Iterator[tuple[Any, Any]]:
    """All keys with their values, at any depth."""
    if isinstance(node, Mapping):
        yield from node.items()
    children = node.values() if isinstance(node, Mapping) else node
    for child in children if isinstance(node, Mapping | list) else ():
        yield from _walk(child)
