"""Looking into configs, data, cost and logs."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from vovtrack.cli.main import main
from vovtrack.engine.complexity import count_costs
from vovtrack.engine.options import apply_options, settable_keys
from vovtrack.engine.run import load_config
from vovtrack.engine.run_logs import curve, read_log, training_rows, validation_rows
from vovtrack.errors import InputError


def test_a_config_is_printed_with_its_options_applied(repository, capsys):
    words = ["inspect", "config", "configs/mini/ovtrack.py", "--cfg-options", "total_epochs=7"]
    assert main(words) == 0
    printed = Config.fromstring(capsys.readouterr().out, ".py")
    assert printed.train_cfg.max_epochs == 7
    assert printed.model == load_config("configs/mini/ovtrack.py").model


def test_every_key_that_is_printed_can_be_set(repository, capsys):
    config = load_config("configs/mini/ovtrack_self_supervised.py")
    keys = settable_keys(config)
    before = config.to_dict()
    apply_options(config, [f"{key}={value}" for key, value in keys.items()])
    assert config.to_dict() == before
    assert main(["inspect", "config", "configs/mini/ovtrack.py", "--keys"]) == 0
    printed = capsys.readouterr().out
    assert "train_dataloader.dataset.pipeline.2.prob = 0.5\n" in printed
    assert "frame_scale" not in printed


@pytest.mark.parametrize(
    ("config", "views", "objects"),
    [("detector", 1, True), ("ovtrack", 2, True), ("ovtrack_self_supervised", 8, False)],
)
def test_samples_of_each_stage_are_drawn(
    config, views, objects, repository, world, tmp_path, capfd
):
    root = "train_dataloader.dataset.data_root"
    words = ["inspect", "data", f"configs/mini/{config}.py", "--number", "3", "--out"]
    options = ["--cfg-options", f"{root}={world}/"]
    assert main([*words, str(tmp_path / "a"), *options]) == 0
    lines = [line for line in capfd.readouterr().out.splitlines() if "view" in line]
    assert 2 <= len(lines) <= 3 and all(f": {views} view" in line for line in lines)
    assert objects == any(" 0 objects" not in line for line in lines)
    assert main([*words, str(tmp_path / "b"), *options]) == 0
    assert main([*words, str(tmp_path / "c"), "--seed", "1", *options]) == 0
    first, same, other = (
        [path.read_bytes() for path in sorted((tmp_path / name).glob("*.jpg"))] for name in "abc"
    )
    assert first == same != other, "the seed decides the augmentation"
    height, width = cv2.imdecode(np.frombuffer(first[0], np.uint8), 1).shape[:2]
    assert width >= views * 64 and height >= 64


def test_what_has_no_pictures(repository, tmp_path, capsys):
    words = ["--out", str(tmp_path)]
    assert main(["inspect", "data", "configs/transfer/coco.py", *words]) == 2
    assert "no train_dataloader" in capsys.readouterr().err


def test_operations_of_a_known_model():
    """A 1x1 convolution of c to d channels costs c * d products for each pixel."""
    config = Config(dict(model=dict(type="FiveConvolutions"), frame_scale=(8, 4)))
    from vovtrack.registry import MODELS

    class FiveConvolutions(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = torch.nn.Conv2d(3, 5, 1, bias=False)
            self.head = torch.nn.ModuleList(torch.nn.Conv2d(5, 5, 1) for _ in range(4))

        def predict(self, images, samples):
            images = self.stem(images)
            for layer in self.head:
                images = layer(images)
            return torch.einsum("bchw,cd->bdhw", images, torch.ones(5, 2))

    MODELS.register_module(module=FiveConvolutions, force=True)
    costs = {cost.part: (cost.parameters, cost.flops) for cost in count_costs(config)}
    pixels = 8 * 4
    assert costs == {
        "stem": (15, 2 * 15 * pixels),
        "head": (4 * 30, 2 * 4 * 25 * pixels),
        "other": (0, 2 * 10 * pixels),
        "total": (135, 2 * (15 + 100 + 10) * pixels),
    }


def test_cost_of_a_tracker(repository, capsys):
    assert main(["inspect", "flops", "configs/mini/ovtrack.py", "--scale", "128", "96"]) == 0
    small = capsys.readouterr().out
    assert all(part in small for part in ("backbone", "roi_head", "track_head", "total"))


@pytest.fixture
def run_dir(tmp_path):
    """A run of two epochs of two logged steps, interrupted in the second and continued."""

    def row(step: int, loss: float) -> dict:
        epoch = 1 + (step > 20)
        return dict(lr=0.1 / epoch, loss=loss, loss_cls=loss / 2, time=0.5, data_time=0.1,
                    epoch=epoch, iter=step, step=step)  # fmt: skip

    starts = dict(
        a=[row(10, 4.0), row(20, 2.0), {"lvis/bbox_AP": 11.0, "step": 1}, row(30, 99.0)],
        b=[row(30, 1.5), row(40, 0.5), {"lvis/bbox_AP": 13.0, "step": 2}],
    )
    for name, rows in starts.items():
        folder = tmp_path / "run" / name / "vis_data"
        folder.mkdir(parents=True)
        (folder / "scalars.json").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return tmp_path / "run"


def test_the_log_of_an_interrupted_run_is_joined(run_dir, tmp_path, capsys):
    records = read_log(run_dir)
    header, rows = training_rows(records)
    assert header == ["epoch", "iter", "lr", "loss", "loss_cls", "s/iter", "s/data"]
    assert rows == [
        ["1", "20", "0.1", "3", "1.5", "0.5", "0.1"],
        ["2", "40", "0.05", "1", "0.5", "0.5", "0.1"],
    ]
    assert validation_rows(records) == (["epoch", "lvis/bbox_AP"], [["1", "11"], ["2", "13"]])
    steps, values = curve(records, "loss")
    assert (steps.tolist(), values.tolist()) == ([10, 20, 30, 40], [4.0, 2.0, 1.5, 0.5])
    picture = tmp_path / "curves.png"
    words = ["inspect", "logs", str(run_dir), "--keys", "loss", "lvis/bbox_AP", "--out"]
    assert main([*words, str(picture)]) == 0
    assert "lvis/bbox_AP" in capsys.readouterr().out
    assert cv2.imread(str(picture)).std() > 10


def test_logs_that_cannot_be_read(run_dir, tmp_path):
    with pytest.raises(InputError, match="holds no log"):
        read_log(tmp_path / "nowhere")
    with pytest.raises(InputError, match="Nothing was logged as 'los'; there are .*loss_cls"):
        curve(read_log(run_dir), "los")
    broken = tmp_path / "scalars.json"
    broken.write_text('{"step": 1, "lr": 0.1}\n{"ste')
    with pytest.raises(InputError, match="line 2: this is not a logged record"):
        read_log(broken)
    assert main(["inspect", "logs", str(run_dir), "--out", str(tmp_path / "a.xyz")]) == 2
