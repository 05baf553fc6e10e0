"""Reading configs: YAML and JSON are data, a ``.py`` config is a program and must be trusted.

Trusted are the configs of this project. Any other ``.py`` config, and a data config that says more
than :mod:`vovtrack.engine.data_configs` allows, needs the user's word: ``--trust-config``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import yaml
from mmengine.config import Config
from mmengine.config.utils import ConfigParsingError
from mmengine.utils import import_modules_from_strings

import vovtrack.engine.parts  # noqa: F401  registers what configs name
from vovtrack import compat
from vovtrack.compat.plain_yaml import PlainLoader
from vovtrack.engine.data_configs import OPT_IN, check_content, import_parts
from vovtrack.engine.data_sizes import check_model, check_numbers
from vovtrack.engine.shipped import CONFIGS, SHIPPED
from vovtrack.errors import InputError, did_you_mean
from vovtrack.files.archives import read_json
from vovtrack.files.targets import mark_input

DATA_SUFFIXES = (".yaml", ".yml", ".json")
VARIABLE = re.compile(r"\{\{[^{}\n]*\}\}")
MAX_BYTES = 1 << 19
"""Size of a data config; the longest of this project is a hundredth of it."""
MAX_FILES = 64
"""Files that a data config may be based on, each counted as often as it is named."""


def find_config(config_or_name: str | Path) -> Path:
    """Path of a config given by file name or path; near matches if there is none.

    A path that starts with ``configs/`` is found from any folder, and so is one below it without
    its ending (``mini/qdtrack``). Of several configs of one name the one that lies highest is
    meant.
    """
    name = str(config_or_name)
    for candidate in (Path(name), SHIPPED / name, CONFIGS / f"{name}.py"):
        if candidate.is_file():
            return candidate
    paths = sorted(CONFIGS.rglob("*.py"), key=lambda path: len(path.parts), reverse=True)
    known = {path.stem: path for path in paths if "_base_" not in path.parts}
    if name in known:
        return known[name]
    if name.endswith(".py") and Path(name).stem in known:
        place = known[Path(name).stem].relative_to(SHIPPED)
        raise InputError(f"There is no config '{name}'; here it is '{place}'.")
    hint = did_you_mean(Path(name).stem, known, cutoff=0.4)
    raise InputError(f"There is no config '{name}'.{hint}")


_UNREADABLE = (
    OSError, ValueError, SyntaxError, ConfigParsingError, ImportError,
    TypeError, KeyError, NameError,
)  # fmt: skip
_MISFITS = (
    "unexpected keyword argument|takes no arguments|missing .*required|is not in the .* registry|"
    "Failed to get"
)
"""What a registry says of a config that does not fit the class that it names."""


@contextmanager
def misfits_told(cfg: Config) -> Iterator[None]:
    """Turn what a registry says of an unfit part of a config into a sentence.

    Raises:
        InputError: A part has an unknown type or key, or lacks one. Other errors pass: they are
            those of the part itself.
    """
    try:
        yield
    except (TypeError, KeyError, RuntimeError) as error:
        if re.search(_MISFITS, str(error), re.DOTALL) is None:
            raise
        reason = " ".join(str(error.args[0]).split())[:300].rstrip(".")
        raise InputError(f"Config '{cfg.filename}' does not fit its parts: {reason}.") from error


def read_config(path: str | Path, trust_config: bool = False) -> Config:
    """Read a config file and the files it is based on.

    Data configs (``.yaml``, ``.yml``, ``.json``) may name ``.py`` configs of the project under
    ``_base_``; variables in double braces are for ``.py`` configs alone.

    Args:
        path: The file.
        trust_config: Run it even if it is a ``.py`` file from outside of the project's configs,
            and let it import what it names.

    Raises:
        InputError: The file cannot be read, it would run code that was not trusted, or as data it
            asks for more than :mod:`vovtrack.engine.data_sizes` allows.
    """
    compat.install()
    path = Path(path)
    cfg = _read(path, trust_config, count())
    if path.suffix.lower() in DATA_SUFFIXES and not trust_config:
        check_model(path, cfg)
    return cfg


def _read(path: Path, trust_config: bool, files: Iterator[int]) -> Config:
    mark_input(path, "the config")
    try:
        if path.suffix.lower() in DATA_SUFFIXES:
            return _read_data(path, trust_config, files)
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
    except _UNREADABLE as error:
        raise InputError(f"Config '{path}' cannot be read: {error}.") from error


def _read_data(path: Path, trust_config: bool, files: Iterator[int]) -> Config:
    if next(files) >= MAX_FILES:
        raise InputError(
            f"Config '{path}' cannot be read: nested too deeply, it is reached after {MAX_FILES} "
            "other files."
        )
    content = _parse(path)
    if not trust_config:
        import_parts(path, content)
    bases = content.pop("_base_", [])
    merged: dict[str, Any] = {}
    for name in bases if isinstance(bases, list) else [bases]:
        try:
            base = _read(path.parent / str(name), trust_config, files)
        except InputError as error:
            if str(path) in str(error):
                raise
            raise InputError(f"Config '{path}' has a base at fault: {error}") from None
        if repeated := merged.keys() & base.keys():
            raise InputError(
                f"Config '{path}': two of its bases set {', '.join(sorted(repeated))}."
            )
        merged.update(base.items())
    if not trust_config:
        check_content(path, content)
        check_numbers(path, content)
    try:
        merged = Config._merge_a_into_b(content, merged)
        config = Config(merged, filename=path)
    except (TypeError, KeyError, AttributeError) as error:
        raise InputError(f"Config '{path}' does not fit its bases: {error}.") from None
    if config.get("custom_imports") and trust_config:
        import_modules_from_strings(**config.custom_imports)
    return config


def _parse(path: Path) -> dict[str, Any]:
    if (size := path.stat().st_size) > MAX_BYTES:
        raise InputError(f"Config '{path}' has {size} bytes; at most {MAX_BYTES} are read.")
    if path.suffix.lower() == ".json":
        content = read_json(path)
    else:
        try:
            content = yaml.load(path.read_text(encoding="utf-8"), PlainLoader)
        except yaml.YAMLError as error:
            reason = " ".join(str(error).split())
            raise InputError(f"Config '{path}' is not plain YAML: {reason}.") from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InputError(f"Config '{path}' holds no mapping of names to values.")
    if variable := VARIABLE.search(path.read_text(encoding="utf-8")):
        raise InputError(
            f"Config '{path}' uses '{variable[0]}', which only .py configs know: write it out."
        )
    return content
