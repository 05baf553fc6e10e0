"""The launch scripts: two CPU processes train and test to the same result as one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch

from tests import forked
from vovtrack.cli.main import main
from vovtrack.engine.configs import find_config
from vovtrack.engine.run import load_config
from vovtrack.errors import InputError
from vovtrack.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "configs/mini/ovtrack.py"
SAMPLER = "model.pair_sampler.sampler"
PIPELINE = "train_dataloader.dataset.pipeline"

# Without random choices of regions and augmentation the sum over a batch does not depend on how it
# is split. Other processes' BatchNorm cannot matter: the detector's statistics are frozen.
DETERMINISTIC = (
    f"{SAMPLER}.num=100000",
    f"{SAMPLER}.neg_pos_ub=-1",
    f"{PIPELINE}.2.prob=0",
    f"{PIPELINE}.3.ratio_range=(1,1)",
    f"{PIPELINE}.4.hue_delta=0",
    f"{PIPELINE}.4.saturation_delta=0",
    f"{PIPELINE}.4.value_delta=0",
)


def launch(script: str, *words: object) -> str:
    """Run a launch script of tools/ with this Python; its whole output."""
    environment = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    command = ["bash", str(ROOT / "tools" / script), *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A tiny world, and a CLIP of random weights: nothing trained is needed."""
    from safetensors.torch import save_model

    from vovtrack.models.clip.encoder import build_clip
    from vovtrack.synthetic import write_world

    folder = tmp_path_factory.mktemp("launch")
    write_world(folder / "world", seed=0, size="tiny")
    torch.manual_seed(0)
    clip, _ = build_clip(ROOT / "configs/mini/clip_mini.json")
    save_model(clip, str(folder / "clip.safetensors"))
    return folder


def options(folder: Path, *more: str) -> list[str]:
    root = f"{folder}/world/"
    return [
        "--cfg-options",
        f"train_dataloader.dataset.data_root={root}",
        f"test_dataloader.dataset.data_root={root}",
        f"test_evaluator.ann_file={root}tao/annotations/validation.json",
        f"model.roi_head.classifier.text_encoder.pretrained={folder}/clip.safetensors",
        "load_from=None",
        "train_dataloader.num_workers=0",
        "train_dataloader.persistent_workers=False",
        *more,
    ]


def train(folder: Path, processes: int) -> Path:
    work_dir = folder / f"train{processes}"
    launch(
        "dist_train.sh", CONFIG, processes, "--work-dir", work_dir, "--seed", 0,
        *options(folder, f"train_dataloader.batch_size={6 // processes}", "total_epochs=2",
                 *DETERMINISTIC),
    )  # fmt: skip
    return Path((work_dir / "last_checkpoint").read_text())


@pytest.mark.slow
def test_two_processes_train_and_test_like_one(world):
    one, two = train(world, 1), train(world, 2)
    before, after, other = (
        torch.load(path, map_location="cpu", weights_only=False)["state_dict"]
        for path in (one.with_name("epoch_1.pth"), one, two)
    )
    assert after.keys() == other.keys()
    moved = max((after[name] - before[name]).abs().max() for name in after if "weight" in name)
    apart = max((after[name] - other[name]).abs().max() for name in after if "weight" in name)
    assert apart < 0.1 * moved

    results = []
    for processes in (1, 2):
        out = world / f"test{processes}"
        launch(
            "dist_test_new.sh", CONFIG, one, processes, "--eval", "track",
            "--work-dir", world / "logs", "--out", f"{out}.json",
            "--eval-options", f"resfile_path={out}", *options(world),
        )  # fmt: skip
        results.append((json.loads(Path(f"{out}.json").read_text()), out))
    (metrics_one, out_one), (metrics_two, out_two) = results
    assert metrics_one
    assert metrics_one == metrics_two
    assert (out_one / "tao_track.json").read_bytes() == (out_two / "tao_track.json").read_bytes()
    assert json.loads((out_one / "tao_track.json").read_text()), "no detection, nothing compared"


@pytest.mark.slow
def test_a_killed_test_run_continues_where_it_was(world, repository):
    """The finished videos of a run that was killed outright are kept, and the rest is added."""
    checkpoint = world / "random.pth"
    config = load_config(ROOT / CONFIG)
    torch.manual_seed(0)
    torch.save(MODELS.build(config.model).state_dict(), checkpoint)

    def run(out: Path) -> BaseProcess:
        # Large frames, so that a video takes long enough to be interrupted after another.
        slow = "test_dataloader.dataset.pipeline.1.scale=(768,576)"
        words = ["test", CONFIG, str(checkpoint), "--work-dir", str(world / "l")]
        words += ["--eval-options", f"resfile_path={out}", *options(world, slow)]
        return forked.start(main, words)

    whole, killed = world / "whole", world / "killed"
    forked.finish(run(whole))
    victim = run(killed)
    parts = killed / "tao_bbox.json.parts"
    while not list(parts.glob("*.json")):
        assert victim.is_alive(), "the run ended before it could be killed"
        time.sleep(0.005)
    victim.kill()
    victim.join()
    kept = list(parts.glob("*.json"))
    assert 1 <= len(kept) < 3 and not (killed / "tao_track.json").exists()

    forked.finish(run(killed))
    assert (whole / "tao_track.json").read_bytes() == (killed / "tao_track.json").read_bytes()


def test_number_of_gpus_is_checked():
    with pytest.raises(AssertionError, match="must be a positive integer, found 'many'"):
        launch("dist_train.sh", CONFIG, "many")


@pytest.mark.parametrize("script", ["dist_train.sh", "dist_test.sh", "slurm_train.sh"])
def test_missing_arguments_give_the_usage(script):
    with pytest.raises(AssertionError, match="Usage: .*CONFIG"):
        launch(script, CONFIG)


def echoed(command: list[str], folder: Path, tmp_path: Path) -> tuple[list[str], str]:
    """The words that a script hands to Python, and what it says."""
    echo = tmp_path / "python"
    echo.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$PWD" "$@"\n')
    echo.chmod(0o755)
    environment = {**os.environ, "PYTHON": str(echo)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        ("detpro", "./tools/dist_train.sh configs/lvis/detpro_ens_20e.py 4 --work-dir W"),
        ("detpro", "./tools/dist_test.sh configs/lvis/detpro_ens_20e.py W/epoch_20.pth 4"),
        ("ovtrack", "./tools/dist_train.sh configs/mini/ovtrack.py 4 20956 --work-dir W"),
        ("ovtrack", "tools/dist_test_new.sh configs/mini/ovtrack.py W/epoch_5.pth 4 36141"),
    ],
)
def test_published_commands_work_in_the_folders_where_they_are_typed(folder, command, tmp_path):
    script, *words = command.split()
    there, told = echoed([script, *words], ROOT / folder, tmp_path)
    here, _ = echoed([f"tools/{Path(script).name}", *words], ROOT, tmp_path)
    assert there == here and there[0] == str(ROOT)
    assert f"Running in {ROOT}: relative paths" in told


def test_of_configs_of_one_name_the_highest_is_meant():
    assert find_config("mini") == ROOT / "configs/mini.py"
    assert find_config("trackon/mini") == ROOT / "configs/trackon/mini.py"


def test_configs_are_found_from_any_folder_and_by_their_old_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config("configs/lvis/detpro_ens_20e.py").is_file()
    with pytest.raises(InputError, match="here it is 'configs/lvis/detpro_ens_20e.py'"):
        find_config("detpro/configs/lvis/detpro_ens_20e.py")
    with pytest.raises(InputError, match="Did you mean .*objects365"):
        find_config("configs/transfer/transfer_objects365.py")
