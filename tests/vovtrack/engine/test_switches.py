"""What the switches of training and testing change in a config."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config

from vovtrack.engine.switches import choose_evaluation, continue_from, keep_observations
from vovtrack.errors import InputError


def test_what_is_evaluated():
    stills = Config(dict(test_evaluator=dict(type="LvisDetectionMetric", iou_types=("bbox",))))
    choose_evaluation(stills, ["bbox", "segm"])
    assert stills.test_evaluator.iou_types == ("bbox", "segm")
    with pytest.raises(InputError, match="--eval track: this config evaluates by LvisDetection"):
        choose_evaluation(stills, ["track"])
    videos = Config(dict(test_evaluator=dict(type="TaoTrackMetric")))
    choose_evaluation(videos, ["track"])
    with pytest.raises(InputError, match="--eval bbox: .*its 'evaluators' name no others"):
        choose_evaluation(videos, ["bbox"])
    videos.evaluators = dict(bbox=dict(type="LvisDetectionMetric", ann_file="a.json"))
    choose_evaluation(videos, ["bbox"])
    assert videos.test_evaluator == [dict(type="LvisDetectionMetric", ann_file="a.json")]


def test_what_several_evaluators_evaluate():
    tracks = dict(type="TaoTrackMetric", ann_file="a.json", vocabulary="lvis_v1")
    both = Config(
        dict(
            model=dict(type="OVTrack"),
            test_evaluator=[tracks, dict(type="LvisDetectionMetric", iou_types=("bbox",))],
        )
    )
    choose_evaluation(both, ["track"])
    choose_evaluation(both, ["bbox", "segm"])
    assert both.test_evaluator[1].iou_types == ("bbox", "segm")
    keep_observations(both, "stored")
    assert [evaluator["type"] for evaluator in both.test_evaluator] == [
        "TaoTrackMetric", "LvisDetectionMetric", "StoreObservations"
    ]  # fmt: skip
    assert both.test_evaluator[2]["ann_file"] == "a.json"
    stills = Config(dict(model={}, test_evaluator=[dict(type="LvisDetectionMetric")]))
    with pytest.raises(InputError, match="--observations needs a config that tests a tracker"):
        keep_observations(stills, "stored")


def test_only_a_checkpoint_of_a_run_can_be_continued(tmp_path):
    config = Config(dict(resume=False, load_from="stage2.pth"))
    with pytest.raises(InputError, match="none.pth' does not exist"):
        continue_from(config, tmp_path / "none.pth")
    weights, run = tmp_path / "weights.pth", tmp_path / "epoch_3.pth"
    torch.save(dict(state_dict=dict(a=torch.zeros(1))), weights)
    with pytest.raises(InputError, match="no state of a run.*load_from="):
        continue_from(config, weights)
    torch.save(dict(state_dict=dict(a=torch.zeros(1)), optimizer={}, message_hub={}), run)
    continue_from(config, run)
    assert config.resume is True and config.load_from == str(run)
