"""What a tracker takes for its targets, noted and learned from, on a few rendered videos."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.places import ROOT
from tests.sot.test_sot_mini import steps, world  # noqa: F401  a fixture
from vovtrack.cli.main import main
from vovtrack.engine.run import load_config
from vovtrack.errors import InputError
from vovtrack.files.checkpoints import load_checkpoint_file
from vovtrack.files.images import read_image
from vovtrack.registry import DATASETS, MODELS
from vovtrack.sot.candidate_records import state_of, states_of
from vovtrack.sot.models.matching_loss import ALONE, IGNORED

CONFIG = "configs/sot/keep_track_mini.py"
FAR_AWAY = [[5, 5], [0, 10], [0, 0]]


@pytest.mark.parametrize(
    "state, target, cells, scores",
    [
        ("H", [5, 6], FAR_AWAY, [0.9, 0.8, 0.1]),
        ("G", [5, 6], FAR_AWAY, [0.2, 0.1, 0.1]),
        ("K", [0, 1], FAR_AWAY, [0.9, 0.8, 0.1]),
        ("J", [10, 0], FAR_AWAY, [0.9, 0.8, 0.1]),
        (None, [10, 0], FAR_AWAY, [0.2, 0.1, 0.1]),
        (None, [5, 7], [[5, 5], [5, 9]], [0.9, 0.8]),
        (None, [5, 2], FAR_AWAY, [0.9, 0.8, 0.1]),
        (None, [5, 6], [[5, 5]], [0.9]),
        (None, [5, 6], [], []),
    ],
)
def test_how_hard_a_frame_is(state, target, cells, scores):
    assert state_of(target, cells, scores) == state


def test_frames_follow_each_other():
    """Only where none is missing between them."""
    hard, wrong = ([5, 6], FAR_AWAY, [0.9, 0.8, 0.1]), ([0, 1], FAR_AWAY, [0.9, 0.8, 0.1])
    rows = [(0, hard), (1, hard), (2, wrong), (4, hard), (5, hard)]
    names = ("target_anno_coord", "target_candidate_coords", "target_candidate_scores")
    columns = {name: [row[k] for _, row in rows] for k, name in enumerate(names)}
    found = states_of(columns | dict(index=[number for number, _ in rows]))
    assert found["frame_states"] == {"H": [0, 1, 3, 4], "K": [2]}
    assert found["subseq_states"] == {"HH": [0, 3], "HK": [1]}


@pytest.fixture(scope="module")
def noted(world) -> Path:  # noqa: F811
    """Candidates of the rendered videos: the target, and two others that stay where they are."""
    found = {}
    for video in sorted(path for path in (world / "train").iterdir() if path.is_dir()):
        boxes = np.loadtxt(video / "groundtruth.txt", delimiter=",", ndmin=2)
        area = [-8, -8, 112, 112]
        cells = np.rint((boxes[:, 1::-1] + boxes[:, :1:-1] / 2 + 8) / 112 * 10).astype(int)
        columns = dict(
            index=list(range(len(boxes))),
            search_area_box=[area] * len(boxes),
            target_anno_coord=cells.tolist(),
            target_candidate_coords=[[c, [0, 0], [10, 10]] for c in cells.tolist()],
            target_candidate_scores=[[0.9, 0.8, 0.3]] * len(boxes),
        )
        found[video.name] = {**columns, **states_of(columns)}
    path = world.parent / "candidates.json"
    path.write_text(json.dumps(found))
    return path


def options(world: Path, noted: Path) -> list[str]:  # noqa: F811
    """Of two epochs of two steps."""
    loader = ["batch_size=2", "num_workers=0", "persistent_workers=False", "dataset.samples=4"]
    return [
        *(f"train_dataloader.{option}" for option in loader),
        f"train_dataloader.dataset.source.ann_file={world / 'train'}",
        f"train_dataloader.dataset.source.data_prefix.img={world / 'train'}",
        f"train_dataloader.dataset.candidates={noted}",
        "train_cfg.max_epochs=2",
        "default_hooks.logger.interval=1",
        "default_hooks.checkpoint.by_epoch=False",
        "default_hooks.checkpoint.max_keep_ckpts=-1",
    ]


@pytest.fixture(scope="module")
def config(world, noted):  # noqa: F811
    return load_config(ROOT / CONFIG, cfg_options=options(world, noted))


def test_pairs_of_both_kinds_are_drawn(config):
    np.random.seed(0)
    dataset = DATASETS.build(config.train_dataloader.dataset)
    kinds = set()
    for index in range(12):
        item = dataset[index]
        sample, inputs = item["data_samples"], item["inputs"]
        assert inputs.shape == (2, 3, 160, 160) and inputs.dtype == torch.float32
        assert inputs.min() >= 0 and inputs.max() <= 255
        assert sample.cells.shape == sample.points.shape == (2, 5, 2)
        assert ((sample.cells >= 0) & (sample.cells < 11)).all()
        assert sample.scores.shape == sample.partners.shape == (2, 5)
        assert sample.size.tolist() == [96, 96]
        first, second = sample.partners
        for row in (first >= 0).nonzero()[:, 0].tolist():
            assert second[first[row]] == row
        kinds.add("frames" if (first == IGNORED).any() else "views")
        assert (first == IGNORED).any() or (first == ALONE).any()
    assert kinds == {"frames", "views"}


def test_pairs_are_drawn_with_their_identities(world, noted, tmp_path, repository, capsys):  # noqa: F811
    words = ["inspect", "data", CONFIG, "--out", str(tmp_path), "--number", "2"]
    assert main([*words, "--cfg-options", *options(world, noted)]) == 0
    first = sorted(tmp_path.iterdir())[0]
    assert f"{first}: 2 views, 10 objects" in capsys.readouterr().out
    assert read_image(first).shape[0] == 160


def test_a_matcher_learns_and_its_tracker_does_not_change(config):
    """The same batch a few times: the loss falls, by the matcher and its descriptors alone."""
    torch.manual_seed(0)
    np.random.seed(0)
    model = MODELS.build(config.model).train()
    dataset = DATASETS.build(config.train_dataloader.dataset)
    items = [dataset[k] for k in range(8)]
    batch = [[item[key] for item in items] for key in ("inputs", "data_samples")]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    free = [value for value in model.parameters() if value.requires_grad]
    optimizer = torch.optim.Adam(free, lr=1e-3)
    totals = []
    for _ in range(12):
        losses = model(*batch, mode="loss")
        assert losses.keys() == {"loss_matched", "loss_alone", "recall"}
        total = losses["loss_matched"] + losses["loss_alone"]
        optimizer.zero_grad()
        total.backward()
        assert all(value.grad is not None for value in free)
        optimizer.step()
        totals.append(float(total.detach()))
    assert totals[-1] < 0.7 * totals[0]
    changed = {
        k.split(".")[0] for k, v in model.state_dict().items() if not torch.equal(v, before[k])
    }
    assert changed == {"candidates"}


def test_training_by_its_command(world, noted, tmp_path, repository):  # noqa: F811
    """From weights of the tracker, which the file that is written has as well."""
    tracker = MODELS.build(load_config(CONFIG.replace("keep_track_", "")).model)
    torch.save(dict(state_dict=tracker.state_dict()), tmp_path / "dimp.pth")
    words = ["train", CONFIG, "--work-dir", str(tmp_path / "run"), "--seed", "0", "--cfg-options"]
    assert main([*words, *options(world, noted), f"load_from={tmp_path / 'dimp.pth'}"]) == 0
    logged = steps(tmp_path / "run")
    assert len(logged) == 4 and {"loss_matched", "loss_alone", "recall"} <= logged[0].keys()
    weights = load_checkpoint_file(tmp_path / "run/iter_4.pth")["state_dict"]
    for name, value in tracker.state_dict().items():
        assert torch.equal(weights[name], value), name


def test_candidates_are_noted_by_a_tracker(world, tmp_path, repository, capsys, monkeypatch):  # noqa: F811
    """One that has learned nothing, whose every peak counts."""
    torch.manual_seed(0)
    torch.save(
        MODELS.build(load_config("configs/sot/mini.py").model).state_dict(), tmp_path / "w.pth"
    )
    out, script = tmp_path / "candidates.json", str(ROOT / "tools/record_candidates.py")
    words = [script, "configs/sot/mini.py", str(tmp_path / "w.pth"), "--threshold", "-1"]
    words += ["--data", str(world / "train"), "--out", str(out), "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(script, run_name="__main__")
    assert ended.value.code == 0
    found = json.loads(out.read_text())
    assert list(found) == sorted(p.name for p in (world / "train").iterdir() if p.is_dir())
    assert max(len(columns["index"]) for columns in found.values()) > 5
    for columns in found.values():
        assert 0 not in columns["index"], "the first frame is given"
        assert columns["index"] == sorted(columns["index"])
        scores = columns["target_candidate_scores"]
        assert all(row == sorted(row, reverse=True) for row in scores)
        for cells, row in zip(columns["target_candidate_coords"], scores, strict=True):
            assert len(cells) == len(row) and np.array(cells).max(initial=0) < 11
        assert states_of(columns) == {k: columns[k] for k in ("frame_states", "subseq_states")}


def test_what_is_refused(config, noted, tmp_path):
    settings = config.train_dataloader.dataset.to_dict()

    def refused(message: str, content: object = None, **changes) -> None:
        path = tmp_path / "candidates.json"
        path.write_text(noted.read_text() if content is None else json.dumps(content))
        with pytest.raises(InputError, match=message):
            DATASETS.build(settings | dict(candidates=str(path)) | changes)

    found = json.loads(noted.read_text())
    name, columns = next(iter(found.items()))
    refused("video '.*' has no 'index'", {name: {k: v for k, v in columns.items() if k != "index"}})
    refused("has no 'columns of frames'", [1])
    refused("it has none of the videos", {"another": columns})
    refused("no frames of the states Q", frames=dict(Q=1.0))
    refused("no frames of the states HK", pairs=dict(HK=1.0))
    with pytest.raises(InputError, match=r"record_candidates\.py writes one"):
        DATASETS.build(settings | dict(candidates=str(tmp_path / "missing.json")))
