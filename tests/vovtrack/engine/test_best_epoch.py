"""Validation chooses an epoch and ends a training that gains nothing, as docs/training.md says."""

from __future__ import annotations

import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

import vovtrack.engine.resume  # noqa: F401  registers loop and hook

SCORES = [10.0, 30.0, 20.0, 20.0, 20.0, 40.0]


class Points(Dataset):
    metainfo: dict = {}

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict:
        return dict(inputs=torch.full((2,), float(index)))


class Line(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, inputs, mode="loss"):
        out = self.layer(torch.stack(inputs))
        return dict(loss=out.square().mean()) if mode == "loss" else list(out)


class Scripted(BaseMetric):
    """Scores of the epochs, in order."""

    default_prefix = "lvis"

    def __init__(self) -> None:
        super().__init__()
        self.waiting = iter(SCORES)

    def process(self, data_batch, data_samples) -> None:
        self.results.append(0)

    def compute_metrics(self, results) -> dict[str, float]:
        return dict(bbox_AP=next(self.waiting))


def test_the_best_epoch_is_kept_and_training_ends_after_a_plateau(tmp_path):
    loader = dict(batch_size=2, num_workers=0, dataset=Points(),
                  sampler=dict(type="DefaultSampler", shuffle=False))  # fmt: skip
    early = dict(type="EarlyStoppingHook", monitor="lvis/bbox_AP", rule="greater", patience=3)
    keep = dict(type="mmdet.VerifiedCheckpointHook", interval=1, max_keep_ckpts=2,
                save_best="lvis/bbox_AP", rule="greater")  # fmt: skip
    Runner(
        Line(),
        str(tmp_path),
        train_dataloader=loader,
        val_dataloader=loader,
        val_evaluator=[Scripted()],
        val_cfg=dict(),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.01)),
        train_cfg=dict(type="mmdet.ResumableEpochLoop", max_epochs=6),
        default_hooks=dict(checkpoint=keep),
        custom_hooks=[early],
        experiment_name="best_epoch",
        log_level="ERROR",
        default_scope="mmdet",
    ).train()
    saved = sorted(path.name for path in tmp_path.glob("*.pth"))
    assert saved == ["best_lvis_bbox_AP_epoch_2.pth", "epoch_4.pth", "epoch_5.pth"]
