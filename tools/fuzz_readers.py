"""Feeds one reader with damaged files: ``python tools/fuzz_readers.py --reader tao --seconds 60``.

A reader either reads a file or raises an ``InputError`` of one line that names the file, within
5 seconds of processor time and 2 GB, of which the imports take 0.8. Whatever else happens is a
finding: its input is saved in ``--findings``. Mend the cause and keep the shortest such input as
``tests/data/fuzz/<reader>-<fault>``, which ``tests/vovtrack/formats/test_found_by_fuzzing.py``
replays. ``--all`` takes one reader after the other, and ``--corpus DIR`` keeps what was learned
for the next run. Needs ``pip install vovtrack[fuzz]``; the readers are in ``tests/readers.py``.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time
from typing import Any

import atheris

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

with atheris.instrument_imports(include=["vovtrack"]):
    from reader_seeds import LARGEST, seeds
    from readers import READERS, fault

    from vovtrack.files.atomic import atomic_write

SECONDS, MEGABYTES = 5, 2048
HANGS = 60
"""Seconds after which a reader is stopped; the clock also counts what other programs compute."""
ODD = (None, True, -1, 0, 0.5, 1 << 53, 1 << 70, 1e308, "", "x", "1", "\n", [], {}, [[]], [None])
"""What stands in place of an honest value of JSON."""


def changed(value: Any, chance: random.Random) -> Any:
    """A JSON value with one part replaced, left out or repeated, at any depth."""
    if not isinstance(value, list | dict) or not value or chance.random() < 0.1:
        return chance.choice(ODD)
    copy = value.copy()
    part = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
    choice = chance.random()
    if choice < 0.1:
        copy.pop(part)
    elif choice < 0.15 and isinstance(copy, list):
        copy.append(copy[part])
    else:
        copy[part] = changed(copy[part], chance)
    return copy


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """Change JSON as JSON more often than not, and anything else as bytes."""
    chance = random.Random(seed)
    if chance.random() < 0.6:
        try:
            return json.dumps(changed(json.loads(data), chance)).encode()[:most]
        except (ValueError, RecursionError):
            pass
    return atheris.Mutate(data, most)


def origin(error: Exception) -> str:
    """File and line that raised an error."""
    last = error.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    return f"{Path(last.tb_frame.f_code.co_filename).stem}-{last.tb_lineno}"


def fuzz(name: str, seconds: int, corpus: Path, findings: Path, folder: Path) -> None:
    """Run one reader on what atheris makes of the corpus; ends the process."""
    reader, found = READERS[name], set()

    def run(data: bytes) -> None:
        start = process_time()
        error = fault(reader, data, folder / "run")
        if error is None and process_time() - start <= SECONDS:
            return
        kind = "slow" if error is None else f"{type(error).__name__}-{origin(error)}"
        key = f"{name}-{kind}"
        if key not in found:
            found.add(key)
            with atomic_write(findings / key, "wb") as file:
                file.write(data)
            print(f"FINDING {key}: {error!r:.300}", flush=True)

    options = [f"-max_total_time={seconds}", f"-timeout={HANGS}", f"-rss_limit_mb={MEGABYTES}"]
    options += [
        f"-artifact_prefix={findings}/{name}-",
        f"-max_len={LARGEST}",
        "-print_final_stats=1",
    ]
    own = dict(custom_mutator=mutate) if reader.file.endswith(".json") else {}
    atheris.Setup([sys.argv[0], *options, str(corpus)], run, **own)
    atheris.Fuzz()


def fuzz_all(seconds: int, corpus: Path | None, findings: Path) -> None:
    """Run every reader in a process of its own."""
    for name in READERS:
        print(f"READER {name}", flush=True)
        options = ["--reader", name, "--seconds", str(seconds), "--findings", str(findings)]
        if corpus is not None:
            options += ["--corpus", str(corpus / name)]
        subprocess.run([sys.executable, __file__, *options], check=False)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--reader", choices=READERS)
    which.add_argument("--all", action="store_true", help="every reader, each with --seconds")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, help="inputs to start from and to add to")
    parser.add_argument("--findings", type=Path, default=Path("work_dirs/fuzz"))
    args = parser.parse_args()
    if args.all:
        fuzz_all(args.seconds, args.corpus, args.findings)
        return
    folder = Path(tempfile.mkdtemp(prefix="fuzz"))
    corpus = args.corpus or folder / "corpus"
    for place in (corpus, args.findings, folder / "seeds"):
        place.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(seeds(args.reader, folder / "seeds")):
        with atomic_write(corpus / f"seed_{number}", "wb") as file:
            file.write(content)
    fuzz(args.reader, args.seconds, corpus, args.findings, folder)


if __name__ == "__main__":
    main()
