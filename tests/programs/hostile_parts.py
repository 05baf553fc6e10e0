"""Builds the parts that a data config may name with hostile values, and tells what they did.

Run as a program: ``python hostile_parts.py FOLDER [PART ...]``. Every part of the project's configs
is built again with each of its values replaced by a text that is a program, and by the path of a
pickle that leaves a marker; every listed part of the libraries, and each PART, with each of its
parameters likewise. An audit hook writes down what no data may cause. Prints one JSON object: the
number of builds, and the events.

It lies apart from the tests: beside it no folder ``vovtrack`` may hide the package.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import json
import os
import pickle
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

WORD = "vovtrack_canary"
"""Part of every hostile text, so that what it caused can be told from other work."""
SECONDS = 20
"""For one build."""
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")


def watch(events: list[str]) -> None:
    """Write down from now on what runs, imports, starts or unpickles because of a hostile text."""

    def hook(event: str, args: tuple) -> None:
        text = repr(args)[:300]
        ours, writes = WORD in text, event == "open" and set(str(args[1])) & set("wax+")
        if event in STARTS or (ours and (writes or event in ("compile", "exec", "import"))):
            events.append(f"{event} {text}")

    sys.addaudithook(hook)


def variants(node: dict, texts: list[str]) -> Iterator[dict]:
    """A part's config with each of its own values replaced by each text."""
    for key in node:
        if key != "type":
            yield from ({**node, key: text} for text in texts)


def parts_of(node: Any) -> Iterator[dict]:
    """All dicts with a ``type``, at any depth."""
    if isinstance(node, dict):
        if "type" in node:
            yield node
        node = list(node.values())
    for child in node if isinstance(node, list | tuple) else ():
        yield from parts_of(child)


def builds(folder: Path, also: set[str]) -> Iterator[Callable[[], Any]]:
    """All calls to make."""
    from vovtrack.engine.configs import CONFIGS, read_config
    from vovtrack.engine.data_configs import PARTS, registries

    pickled = folder / f"{WORD}.pkl"
    command = f"touch {folder / WORD}"
    pickled.write_bytes(pickle.dumps(_Call(command)))
    texts = [f"__import__('os').system('{command}') or '{WORD}'", str(pickled)]
    known = [registry for registry in registries() if len(registry)]
    seen = set()
    for path in sorted(CONFIGS.rglob("*.py")):
        for part in parts_of(read_config(path).to_dict()):
            owners = [r for r in known if r.get(str(part["type"])) is not None]
            for changed in variants(part, texts):
                what = (part["type"], *((k, v) for k, v in changed.items() if v in texts))
                if owners and what not in seen:
                    seen.add(what)
                    yield lambda r=owners[0], c=changed: r.build(c)
    for registry in known:
        for name in sorted((PARTS | also) & set(registry.module_dict)):
            cls = registry.module_dict[name]
            found = inspect.signature(cls).parameters.values()
            named = [p for p in found if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
            needed = {p.name: texts[0] for p in named if p.default is p.empty}
            for parameter in named:
                # A number takes no text further than to an error.
                if isinstance(parameter.default, bool | int | float):
                    continue
                is_place = re.search("file|path|prefix|dir|root|cfg|url", parameter.name)
                for text in texts if is_place else texts[:1]:
                    yield lambda c=cls, k={**needed, parameter.name: text}: c(**k)


class _Call:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple:
        return os.system, (self.command,)


def _stop(*_: object) -> None:
    raise TimeoutError


def _draw_nothing() -> None:
    """Leave new weights as they lie in memory: drawing them is most of the time of a build."""
    import torch

    for name in ("normal_", "uniform_"):
        setattr(torch.Tensor, name, lambda weight, *_, **__: weight)


def main(folder: Path, also: set[str]) -> dict[str, Any]:
    """Make all builds, those of the parts ``also`` among them."""
    import vovtrack.registry  # noqa: F401  makes mmdet importable

    for room in ("models", "datasets", "engine", "evaluation", "visualization"):
        importlib.import_module(f"mmdet.{room}")

    warnings.simplefilter("ignore")
    os.chdir(folder)
    _draw_nothing()
    events: list[str] = []
    calls = list(builds(folder, also))
    watch(events)
    signal.signal(signal.SIGALRM, _stop)
    for call in calls:
        signal.alarm(SECONDS)
        with contextlib.suppress(Exception, SystemExit), contextlib.redirect_stdout(io.StringIO()):
            call()
        signal.alarm(0)
    return dict(builds=len(calls), events=sorted(set(events)), ran=(folder / WORD).exists())


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), set(sys.argv[2:]))))
