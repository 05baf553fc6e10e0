"""How a cell of the table is made: commands in processes of their own, each kept once done."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from string import Template

from tools.benchmarks.claims.rows import DETECTOR, PROMPTS, ROOT, ROWS, Row
from tools.benchmarks.claims.scores import (
    Scores,
    evaluation_videos,
    join_videos,
    still_scores,
    video_scores,
)
from vovtrack.engine.run import load_config
from vovtrack.files.archives import read_json
from vovtrack.files.atomic import atomic_write
from vovtrack.files.hashing import file_sha256, tree_sha256

QUICK = ("train_cfg.max_epochs=1",)
_CLIP = (
    "--clip", "configs/mini/clip_mini.json",
    "--clip-weights", "saved_models/mini/clip_mini.safetensors",
)  # fmt: skip


@dataclass
class Cells:
    """All cells of a table, on disk.

    A cell lies in a folder whose name ends with a digest of all that decides it but the code:
    config, options, world and the cell it starts from. So nothing is taken for what it is not, and
    a config that is edited has its cells made again, beside the old ones.

    Attributes:
        out: Folder of everything.
        world: Folder of the rendered world.
        detector: Weights of stage 0; None trains them.
        quick: Train one epoch only.
        spent: Seconds of the cells that are done, by row.
    """

    out: Path
    world: Path
    detector: Path | None = None
    quick: bool = False
    spent: dict[str, list[float]] = field(default_factory=dict)

    def scores(self, name: str, seed: int) -> Scores | None:
        """What a cell scored; None where it is not done."""
        path = self._folder(name, seed) / "scores.json"
        if not path.is_file():
            return None
        record = read_json(path, allow_nan=True)
        self.spent.setdefault(name, []).append(record["seconds"])
        return record["scores"]

    def fill(self, name: str, seed: int) -> Scores:
        """Train and test what is missing of a cell."""
        if (known := self.scores(name, seed)) is not None:
            return known
        begin = time.monotonic()
        row, folder = ROWS[name], self._folder(name, seed)
        weights, results = self.weights(name, seed), folder / "results"
        options = self._filled(row.test, seed, results)
        _run(
            folder / "test.log", sys.executable, "tools/test.py", row.test_config, weights,
            "--work-dir", folder / "test", "--cfg-options", *options,
        )  # fmt: skip
        if row.measure == "stills":
            found = still_scores(self.world / "lvis/annotations/val.json", results / "bbox.json")
        else:
            found = video_scores(results / "tao-ov.json", evaluation_videos(self.world))
        seconds = time.monotonic() - begin
        with atomic_write(folder / "scores.json") as file:
            json.dump({"seconds": seconds, "scores": found}, file, indent=1)
        self.spent.setdefault(name, []).append(seconds)
        return found

    def weights(self, name: str, seed: int) -> Path:
        """The weights that a cell tests, trained if they were not."""
        row, folder = ROWS[name], self._folder(name, seed)
        if name == "detector" and self.detector:
            return self.detector
        start = self.weights(row.start, seed) if row.start else None
        if row.config is None:
            assert start is not None, "a row that trains nothing starts from one that does"
            return start
        if not (folder / "trained").exists():
            _run(
                folder / "train.log", sys.executable, "tools/train.py", row.config,
                "--work-dir", folder, "--seed", seed if row.seeded else 0, "--resume",
                "--cfg-options", *self._filled(row.train, seed),
                *([f"load_from={start}"] if start else []), *(QUICK if self.quick else ()),
                "default_hooks.checkpoint.max_keep_ckpts=2",
            )  # fmt: skip
            (folder / "trained").touch()
        newest = Path((folder / "last_checkpoint").read_text().strip()).name
        return folder / newest  # also where the folder was moved since

    def _filled(self, options: Iterable[str], seed: int, results: Path | None = None) -> list[str]:
        """Options with their places filled in, which are made where they are not there."""
        made = {
            "world": lambda: self.world,
            "regions": self._regions,
            "prompts": lambda: self._prompts(seed),
            "videos": self._videos,
            "results": lambda: results,
        }
        templates = [Template(option) for option in options]
        wanted = {word for template in templates for word in template.get_identifiers()}
        places = {word: made[word]() for word in wanted}
        return [template.substitute(places) for template in templates]

    def _videos(self) -> Path:
        path = (self.out / f"videos-{_world_digest(self.world)}.json").absolute()
        if not path.is_file():
            join_videos(self.world, path)
        return path

    def _regions(self) -> Path:
        """Banks of what CLIP sees of the detector's proposals and of the annotated boxes."""
        folder = self.out / f"regions-{self._digest('detector', 0)}"
        stills = self.world / "lvis"
        for split, annotated in (("train", "base"), ("val", "all")):
            place = ["--ann", stills / f"annotations/{split}.json", "--images", stills / "images"]
            proposals = folder / f"proposals_{split}.safetensors"
            features = [sys.executable, "-m", "vovtrack", "features"]
            extract = [*features, "extract", *place, *_CLIP, "--bank", folder / f"bank_{split}"]
            steps: dict[str, list] = {
                "proposals": [
                    *features, "proposals", DETECTOR, self.weights("detector", 0), *place,
                    "--out", proposals, "--max-per-image", 60,
                ],
                "bank": [*extract, "--regions", proposals, "--images-per-shard", 200],
                "annotated": [*extract[:-1], folder / f"bank_{split}_gt", "--annotated", annotated],
            }  # fmt: skip
            for step, command in steps.items():
                _once(folder / f"{step}_{split}.done", command)
        return folder

    def _prompts(self, seed: int) -> Path:
        """Prompts learned from the banks."""
        regions = self._regions()
        digest = _digest([_config_digest(PROMPTS), regions.name, self.quick, seed])
        folder = self.out / f"seed{seed}" / f"prompts-{digest}"
        data = [
            f"{loader}_dataloader.dataset.{key}"
            for loader in ("train", "val")
            for key in (
                f"ann_file={self.world}/lvis/annotations/{loader}.json",
                f"banks=['{regions}/bank_{loader}','{regions}/bank_{loader}_gt']",
            )
        ]
        command = [
            sys.executable, "-m", "vovtrack", "prompts", "train", PROMPTS, "--work-dir", folder,
            "--seed", seed, "--cfg-options", *data, *(QUICK if self.quick else ()),
        ]  # fmt: skip
        _once(folder / "done", command)
        return folder

    def _folder(self, name: str, seed: int) -> Path:
        place = f"seed{seed}" if ROWS[name].seeded else "all_seeds"
        return self.out / place / f"{name}-{self._digest(name, seed)}"

    def _digest(self, name: str, seed: int) -> str:
        row = ROWS[name]
        if name == "detector" and self.detector:
            trained = file_sha256(self.detector)
        else:
            trained = [_config_digest(row.config) if row.config else None, row.train, self.quick]
        start = self._digest(row.start, seed) if row.start else _world_digest(self.world)
        of_test = [_config_digest(row.test_config), row.test]
        return _digest([trained, of_test, start, seed if row.seeded else 0])


def used_by(row: Row, place: str) -> bool:
    """Whether the options of a row name a place, as "prompts"."""
    return any(place in Template(text).get_identifiers() for text in (*row.train, *row.test))


def _digest(content: object) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]


@cache
def _config_digest(config: str) -> str:
    content = json.dumps(load_config(ROOT / config).to_dict(), sort_keys=True, default=str)
    return _digest(content.replace(str(ROOT), ""))


@cache
def _world_digest(world: Path) -> str:
    return _digest([tree_sha256(world / part / "annotations") for part in ("lvis", "pairs", "tao")])


def _once(done: Path, command: Sequence) -> None:
    """Run a command unless it was; ``done`` remembers."""
    if not done.exists():
        _run(done.with_suffix(".log"), *command)
        done.touch()


def _run(log: Path, *command: object) -> None:
    """Run a command from the root of the repository; a failure ends the table.

    Raises:
        SystemExit: It failed; with the end of its output.
    """
    words = [str(word) for word in command]
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w") as file:
        done = subprocess.run(words, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\nfailed:\n{log.read_text()[-2000:]}\nAll of it: {log}")
