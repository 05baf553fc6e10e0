"""A head of class embeddings: it trains with the pairs and gates the links."""

from __future__ import annotations

import copy
import json

import pytest
import torch

from tests.places import ROOT
from vovtrack.engine import run as launch
from vovtrack.engine.replay import track_video
from vovtrack.formats.observations import ObservationStore
from vovtrack.registry import MODELS

MINI = "configs/mini/ovtrack_classes.py"


@pytest.fixture(scope="module")
def trained(world, tmp_path_factory):
    """Two steps of the config on the tiny world."""
    work_dir = tmp_path_factory.mktemp("classes")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        launch.train(
            MINI,
            work_dir=work_dir,
            cfg_options=[
                "load_from=saved_models/mini/ovtrack_mini.safetensors",
                f"train_dataloader.dataset.data_root={world}/",
                "train_dataloader.num_workers=0",
                "train_dataloader.persistent_workers=False",
                "train_dataloader.batch_size=4",
                "train_cfg.max_epochs=1",
                "default_hooks.logger.interval=1",
            ],
        )
    return work_dir


def test_it_trains_beside_the_embedding_head(trained):
    (log,) = trained.glob("*/vis_data/scalars.json")
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert all(record["loss_cem"] > 0 and record["loss_track"] > 0 for record in records)
    torch.manual_seed(0)
    weights = torch.load(trained / "epoch_1.pth", weights_only=False)["state_dict"]
    assert any(key.startswith("class_head.fc_embed.") for key in weights)


@pytest.fixture(scope="module")
def store(trained, world, tmp_path_factory):
    """Observations of a test with the trained model, and its tracks."""
    out = tmp_path_factory.mktemp("observations")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        launch.test(
            MINI,
            trained / "epoch_1.pth",
            work_dir=out / "run",
            observations=out / "store",
            cfg_options=[
                f"test_dataloader.dataset.data_root={world}/",
                "test_dataloader.num_workers=0",
                "test_dataloader.persistent_workers=False",
                f"test_evaluator.ann_file={world / 'tao/annotations/validation.json'}",
                f"test_evaluator.out_dir={out / 'results'}",
            ],
        )
    return ObservationStore(out / "store"), out / "results"


def linked(store: ObservationStore, **options) -> int:
    """Detections that continue a track, in all videos."""
    tracker = copy.deepcopy(launch.load_config(ROOT / MINI).model.tracker) | options
    count = 0
    for video_id in store.videos:
        rows = track_video(MODELS.build(tracker), store.read(video_id), store.header.vocabulary)
        ids = torch.cat([row["pred_track_instances"]["instances_id"] for row in rows])
        assert all("cls_embeds" not in row["pred_track_instances"] for row in rows)
        count += len(ids) - len(ids.unique())
    return count


def test_its_embeddings_are_kept_and_gate_the_links(store):
    observations, _ = store
    arrays = observations.read(observations.videos[0]).arrays
    assert arrays["cls_embeds"].shape == (len(arrays["scores"]), 32)
    wide, narrow = (linked(observations, contrastive_thr=thr) for thr in (-1e9, 1e9))
    assert wide > 0 and narrow == 0
