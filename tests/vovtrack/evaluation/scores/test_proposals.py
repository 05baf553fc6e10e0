"""Recall of proposals: matching one to one, and base and novel objects apart."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from vovtrack.evaluation.metrics.proposals import ProposalRecallMetric
from vovtrack.evaluation.scores.proposals import average_recall, matched_ious

BASE, NOVEL = [0, 0, 10, 10], [50, 50, 70, 70]


def test_a_proposal_serves_one_object():
    objects = np.array([[0, 0, 10, 10], [0, 0, 10, 8]], float)
    proposals = np.array([[0, 0, 10, 10], [0, 0, 10, 4]], float)
    assert matched_ious(objects, proposals).tolist() == [1.0, 0.5]
    assert matched_ious(objects, proposals[:1]).tolist() == [1.0, 0.0]
    assert matched_ious(objects, proposals[:0]).tolist() == [0.0, 0.0]
    assert matched_ious(objects[:0], proposals).shape == (0,)


def test_recall_is_a_mean_over_thresholds():
    thresholds = np.array([0.5, 0.75])
    assert average_recall(np.array([1.0, 0.5, 0.2, 0.6]), thresholds) == pytest.approx(50.0)
    assert np.isnan(average_recall(np.zeros(0), thresholds))


def test_base_and_novel_objects_are_counted_apart(tmp_path):
    boxes = [(1, 1, BASE), (1, 2, NOVEL), (2, 1, BASE)]
    content = dict(
        images=[dict(id=i, width=100, height=100, file_name=f"{i}.jpg") for i in (1, 2)],
        annotations=[
            dict(id=n, image_id=i, category_id=c, bbox=[x, y, X - x, Y - y])
            for n, (i, c, (x, y, X, Y)) in enumerate(boxes)
        ],
        categories=[
            dict(id=1, name="dog", frequency="f"),
            dict(id=2, name="cat", frequency="r"),
        ],
    )
    path = tmp_path / "ann.json"
    path.write_text(json.dumps(content))
    metric = ProposalRecallMetric(str(path), counts=(1, 2))

    def sample(image: int, *found) -> dict:
        bboxes = torch.tensor(found, dtype=torch.float32).reshape(-1, 4)
        return dict(img_id=image, pred_instances=dict(bboxes=bboxes))

    metric.process(None, [sample(1, NOVEL, [0, 0, 10, 6]), sample(2)])
    found = metric.compute_metrics(metric.results)
    # Of ten thresholds from 0.5 on, an IoU of 0.6 reaches three.
    assert found == pytest.approx(
        {
            "AR@1": 100 / 3,
            "base_AR@1": 0.0,
            "novel_AR@1": 100.0,
            "AR@2": 130 / 3,
            "base_AR@2": 15.0,
            "novel_AR@2": 100.0,
        }
    )
