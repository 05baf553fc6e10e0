"""Training by the commands, on a few rendered videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from tests.places import ROOT
from vovtrack.cli.main import main


def render(out: Path) -> Path:
    """Two videos of 24 frames, in the layout of GOT-10k."""
    size = ["--frames", "24", "--width", "96", "--height", "96"]
    words = ["synth", "--format", "got10k", "--videos", "2", "--workers", "1", *size]
    assert main([*words, "--out", str(out)]) == 0
    return out


def steps(run: Path) -> list[dict]:
    """What was logged of each step."""
    (scalars,) = run.glob("*/vis_data/scalars.json")
    return [json.loads(line) for line in scalars.read_text().splitlines()]


def small(name: str, world: Path, out: Path, model: dict[str, Any]) -> Path:
    """A config that takes two steps of two small samples, else as a shipped one.

    Args:
        name: Of the shipped config.
        world: Rendered videos.
        out: Where it is written.
        model: What differs in the network.
    """
    side = 96
    config = Config.fromfile(ROOT / f"configs/sot/{name}.py")
    config.merge_from_dict(dict(model=model))
    loader = config.train_dataloader
    loader.update(batch_size=2, num_workers=0, persistent_workers=False)
    source = dict(
        reader=dict(format="single_object"),
        ann_file=str(world / "train"),
        data_prefix=dict(img=str(world / "train")),
    )
    loader.dataset.update(sources=[source], weights=None, samples=4)
    for step in loader.dataset.pipeline:
        step.update(
            {key: value for key, value in (("output", side), ("size", side // 16)) if key in step}
        )
    config.train_cfg.max_epochs = 1
    config.default_hooks.logger.interval = 1
    config.default_hooks.checkpoint.update(by_epoch=False, max_keep_ckpts=-1)
    config.dump(out)
    return out


def train(config: Path, out: Path) -> Path:
    """Train from a seed, in the root of the repository; the folder of the run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        assert main(["train", str(config), "--work-dir", str(out), "--seed", "0"]) == 0
    return out
