"""Writing and describing weights, and finding where a run can continue."""

from __future__ import annotations

import json
import os

import pytest
import torch

from vovtrack.engine.resume import INDEX
from vovtrack.engine.weights.checkpoint import (
    latest_checkpoint,
    load_weights,
    read_metadata,
    save_weights,
)
from vovtrack.errors import InputError
from vovtrack.files.hashing import file_sha256


def test_tied_and_strided_weights_are_written_whole(tmp_path):
    layer = torch.nn.Linear(3, 3)
    tied = torch.nn.Sequential(layer, layer)
    save_weights(tied, tmp_path / "tied.safetensors")
    read = load_weights(tmp_path / "tied.safetensors")
    assert torch.equal(read["0.weight"], layer.weight) and torch.equal(read["1.bias"], layer.bias)
    transposed = {"t": torch.arange(6.0).view(2, 3).t(), "p": torch.nn.Parameter(torch.ones(2))}
    save_weights(transposed, tmp_path / "t.safetensors")
    assert torch.equal(load_weights(tmp_path / "t.safetensors")["t"], transposed["t"])


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.int64])
def test_weights_keep_their_type(tmp_path, dtype):
    weights = {
        "w": torch.tensor([1, 3], dtype=dtype) / 3
        if dtype.is_floating_point
        else torch.tensor([2**40], dtype=dtype)
    }
    for name in ("w.safetensors", "w.pth"):
        save = save_weights if name.endswith("safetensors") else torch.save
        save(weights, tmp_path / name)
        read = load_weights(tmp_path / name)["w"]
        assert read.dtype == dtype and torch.equal(read, weights["w"])


def test_other_files_have_no_metadata(tmp_path):
    (tmp_path / "w.pth").write_bytes(b"nothing")
    for name in ("w.pth", "missing.safetensors"):
        with pytest.raises(InputError, match=name):
            read_metadata(tmp_path / name)


def test_a_file_without_tensors_holds_no_weights(tmp_path):
    for content in ({"state_dict": {}}, {"epoch": 3}, [1, 2]):
        torch.save(content, tmp_path / "a.pth")
        with pytest.raises(InputError, match="no state dict"):
            load_weights(tmp_path / "a.pth")


@pytest.fixture
def work_dir(tmp_path):
    """A folder with the checkpoints of epochs 8 to 10 and the best one."""
    for age, name in enumerate(
        ["epoch_8.pth", "epoch_9.pth", "epoch_10.pth", "best_ap_epoch_8.pth"]
    ):
        torch.save({"state_dict": {"w": torch.ones(1)}}, tmp_path / name)
        os.utime(tmp_path / name, (1000 + age, 1000 + age))
    return tmp_path


def test_the_newest_checkpoint_is_found(work_dir):
    assert latest_checkpoint(work_dir) == work_dir / "epoch_10.pth"
    for clock in (lambda age: 1000, lambda age: 4e9 + age, lambda age: 4e9 - age):
        for age, path in enumerate(sorted(work_dir.iterdir(), key=lambda path: len(path.name))):
            os.utime(path, (clock(age), clock(age)))
        assert latest_checkpoint(work_dir) == work_dir / "epoch_10.pth"


def test_the_last_one_written_is_the_newest_whatever_the_clock_says(work_dir):
    def record(*names):
        entries = {n: {"sha256": file_sha256(work_dir / n)} for n in names}
        (work_dir / INDEX).write_text(json.dumps(entries))

    # A second run, which was started in the folder of the first, has come to epoch 9.
    record("epoch_10.pth", "epoch_8.pth", "epoch_9.pth")
    os.utime(work_dir / "epoch_9.pth", (0, 0))
    assert latest_checkpoint(work_dir) == work_dir / "epoch_9.pth"
    record("epoch_8.pth", "epoch_9.pth")  # killed before epoch 10 was recorded
    assert latest_checkpoint(work_dir) == work_dir / "epoch_10.pth"


def test_damaged_checkpoints_are_passed_over(work_dir):
    newest = work_dir / "epoch_10.pth"
    stamp = newest.stat().st_mtime
    newest.write_bytes(newest.read_bytes()[:100])
    os.utime(newest, (stamp, stamp))
    with pytest.warns(UserWarning, match=r"epoch_10\.pth.*damaged.*one before"):
        assert latest_checkpoint(work_dir) == work_dir / "epoch_9.pth"


def test_a_run_without_a_whole_checkpoint_does_not_start_again(tmp_path):
    assert latest_checkpoint(tmp_path) is None
    (tmp_path / "iter_5.pth").write_bytes(b"")
    with pytest.warns(UserWarning, match="iter_5"), pytest.raises(InputError, match="iter_5"):
        latest_checkpoint(tmp_path)
