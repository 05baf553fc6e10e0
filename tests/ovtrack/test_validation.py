"""Validation while stages 3 and 4 train: when it happens, and on which results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vovtrack.engine import run as launch
from vovtrack.errors import InputError
from vovtrack.files.parts import LABEL

STAGE3 = "configs/mini/ovtrack.py"
STAGE4 = "configs/mini/ovtrack_self_supervised.py"
FULL = "configs/ovtrack-teta/ovtrack_r50_reverse_without_inference.py"
WEIGHTS = "saved_models/mini/ovtrack_mini.safetensors"


def train(config: str, world: Path, work_dir: Path, *more: str) -> None:
    options = [
        f"train_dataloader.dataset.data_root={world}",
        f"val_dataloader.dataset.data_root={world}",
        f"val_evaluator.ann_file={world}/tao/annotations/validation.json",
        *(f"{split}_dataloader.num_workers=0" for split in ("train", "val")),
        *(f"{split}_dataloader.persistent_workers=False" for split in ("train", "val")),
        f"load_from={WEIGHTS}",
        *more,
    ]
    launch.train(config, work_dir=work_dir, seed=0, cfg_options=options)


def validated(work_dir: Path) -> list[int]:
    """Epochs whose metrics are in the log of scalars."""
    rows = [
        json.loads(line)
        for path in work_dir.glob("*/vis_data/scalars.json")
        for line in path.read_text().splitlines()
    ]
    return [row["step"] for row in rows if "tao/all/TETA" in row]


@pytest.mark.slow
def test_epochs_are_validated_from_the_one_that_is_named(repository, world, tmp_path):
    """What a killed validation left behind does not count: its weights were others."""
    parts = tmp_path / "validation/tao_track.json.parts"
    parts.mkdir(parents=True)
    (parts / LABEL).write_text("of an earlier epoch")
    (parts / "1.json").write_text("[]")
    train(STAGE3, world, tmp_path, "total_epochs=3", "evaluation.start=2")
    assert validated(tmp_path) == [2, 3]
    assert not parts.exists()
    report = json.loads((tmp_path / "validation/tao-ov.json").read_text())
    rows = [
        json.loads(line)
        for path in tmp_path.glob("*/vis_data/scalars.json")
        for line in path.read_text().splitlines()
    ]
    last = [row["tao/all/TETA"] for row in rows if "tao/all/TETA" in row][-1]
    assert last == pytest.approx(report["summary"]["all"]["TETA"]) and last > 5


@pytest.mark.slow
def test_stage_4_is_validated_and_keeps_its_best(repository, world, tmp_path):
    more = ("total_epochs=2", "evaluation.start=1", "evaluation.save_best=tao/all/TETA")
    train(STAGE4, world, tmp_path, *more)
    assert validated(tmp_path) == [1, 2]
    assert list(tmp_path.glob("best_tao_all_TETA_epoch_*.pth"))


@pytest.mark.slow
def test_without_validation_its_data_need_not_exist(repository, world, tmp_path):
    train(STAGE3, world, tmp_path, "total_epochs=1", "val_evaluator.ann_file=none.json")
    assert validated(tmp_path) == [] and (tmp_path / "epoch_1.pth").is_file()


@pytest.mark.parametrize("config", [STAGE3, FULL])
@pytest.mark.parametrize("option", ["evaluation.interval=2", "evaluation.save_best=auto"])
def test_an_option_without_effect_is_refused(repository, config, option):
    name = option.partition("=")[0]
    with pytest.raises(InputError, match=f"Option '{name}': .* for example evaluation.start=1"):
        launch.train(config, cfg_options=[option])
