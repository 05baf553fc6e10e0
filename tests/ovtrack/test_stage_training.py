"""Training of stages 3 and 4: batches divided or summed, killed and continued, in bf16."""

from __future__ import annotations

import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch

from tests import forked
from tests.places import ROOT
from vovtrack.cli.main import main
from vovtrack.engine import run as launch
from vovtrack.errors import InputError
from vovtrack.files.checkpoints import load_checkpoint_file

STAGE3 = "configs/mini/ovtrack.py"
STAGE4 = "configs/mini/ovtrack_self_supervised.py"
WEIGHTS = "saved_models/mini/ovtrack_mini.safetensors"
PIPELINE = "train_dataloader.dataset.pipeline"
CLIPS = "train_dataloader.dataset.dataset.pipeline"

# Without random choices of regions and views, a step does not depend on how its batch is divided.
CERTAIN = {
    STAGE3: (
        "model.pair_sampler.sampler.num=100000",
        "model.pair_sampler.sampler.neg_pos_ub=-1",
        f"{PIPELINE}.2.prob=0",
        f"{PIPELINE}.3.ratio_range=(1,1)",
        f"{PIPELINE}.4.hue_delta=0",
        f"{PIPELINE}.4.saturation_delta=0",
        f"{PIPELINE}.4.value_delta=0",
    ),
    STAGE4: (
        f"{CLIPS}.1.prob=0",
        f"{CLIPS}.2.ratio_range=(1,1)",
        f"{CLIPS}.3.hue_delta=0",
        f"{CLIPS}.3.saturation_delta=0",
        f"{CLIPS}.3.value_delta=0",
    ),
}

# SGD, whose step is as large as the gradient: Adam would hide a wrong factor.
SGD = (
    "optim_wrapper.optimizer={'type':'SGD','lr':0.05}",
    "optim_wrapper.clip_grad=None",
    "param_scheduler=[]",
)


def options(world: Path, *more: str) -> list[str]:
    return [
        f"train_dataloader.dataset.data_root={world}",
        "train_dataloader.num_workers=0",
        "train_dataloader.persistent_workers=False",
        f"load_from={WEIGHTS}",
        *more,
    ]


def weights(work_dir: Path) -> dict[str, torch.Tensor]:
    path = work_dir / Path((work_dir / "last_checkpoint").read_text()).name
    return load_checkpoint_file(path)["state_dict"]


def distance(first: dict, second: dict) -> float:
    return max((first[n] - second[n]).abs().max().item() for n in first if "track_head" in n)


@pytest.mark.slow
@pytest.mark.parametrize(("config", "batch"), [(STAGE3, 6), (STAGE4, 2)])
def test_summed_gradients_are_those_of_the_larger_batch(config, batch, world, repository, tmp_path):
    """One GPU with accumulative_counts=N takes the steps of N GPUs."""
    found = {}
    common = [*CERTAIN[config], *SGD, "total_epochs=1"]
    for name, size, sums in (("whole", batch, 1), ("summed", batch // 2, 2)):
        more = (f"train_dataloader.batch_size={size}", f"optim_wrapper.accumulative_counts={sums}")
        launch.train(
            config,
            work_dir=tmp_path / name,
            seed=0,
            cfg_options=options(world, *common, *more),
        )
        found[name] = weights(tmp_path / name)
    moved = distance(start_weights(), found["whole"])
    assert moved > 0
    assert distance(found["whole"], found["summed"]) < 0.02 * moved


def start_weights() -> dict[str, torch.Tensor]:
    from vovtrack.engine.weights.checkpoint import load_weights

    return {n: t.float() for n, t in load_weights(ROOT / WEIGHTS).items()}


@pytest.mark.slow
@pytest.mark.parametrize("config", [STAGE3, STAGE4])
def test_a_killed_training_ends_with_the_same_weights(config, world, repository, tmp_path):
    def start(name: str, *words: str) -> BaseProcess:
        command = ["train", config, "--work-dir", str(tmp_path / name), *words, "--seed", "0"]
        command += ["--cfg-options", *options(world), "train_dataloader.batch_size=1"]
        command += ["total_epochs=1", "default_hooks.checkpoint.by_epoch=False"]
        return forked.start(main, command)

    forked.finish(start("whole"))
    victim = start("killed")
    while not (tmp_path / "killed/iter_2.pth").exists():
        assert victim.is_alive(), "the run ended before it could be killed"
        time.sleep(0.005)
    victim.kill()
    victim.join()
    kept = (tmp_path / "killed/last_checkpoint").read_text()
    forked.finish(start("killed", "--resume"))
    assert kept != (tmp_path / "killed/last_checkpoint").read_text(), "nothing was left to do"
    whole, continued = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], continued[name]) for name in whole)


@pytest.mark.slow
@pytest.mark.parametrize(("config", "least"), [(STAGE3, 0.8), (STAGE4, 0.3)])
def test_training_in_bf16_goes_where_float32_goes(config, least, world, repository, tmp_path):
    found = {}
    for name, amp in (("float32", False), ("bf16", True)):
        launch.train(
            config,
            work_dir=tmp_path / name,
            seed=0,
            amp=amp,
            cfg_options=options(world, *CERTAIN[config], *SGD, "total_epochs=1"),
        )
        found[name] = weights(tmp_path / name)
    start = start_weights()
    steps = [
        torch.cat([(state[n] - start[n]).flatten() for n in sorted(start) if "track_head" in n])
        for state in found.values()
    ]
    assert all(value.dtype == torch.float32 for n, value in found["bf16"].items() if "fc" in n)
    # Not closer to 1: bfloat16 also moves which boxes are found and which terms pass the margin.
    assert not torch.equal(*steps) and torch.cosine_similarity(*steps, dim=0) > least


@pytest.mark.slow
def test_clips_in_which_nothing_is_good_enough_end_the_training(world, repository, tmp_path):
    """Its loss of 0 would look like success."""
    more = ("model.score_thr=0.999", "total_epochs=2")
    with pytest.raises(InputError, match=r"Epoch 1: no step had .*objects: 0.* model.score_thr"):
        launch.train(STAGE4, work_dir=tmp_path, seed=0, cfg_options=options(world, *more))
    assert not list(tmp_path.glob("epoch_*.pth"))
