"""Options of configs: README names are translated, mistakes refused, no key added silently."""

from __future__ import annotations

import pytest
from mmengine.config import Config

import ovtrack  # noqa: F401  declares the old names of its parts
import vovtrack.evaluation.metrics.tao_tracks  # noqa: F401
from vovtrack.engine.old_options import OLD
from vovtrack.engine.options import apply_options, dotted_keys
from vovtrack.errors import InputError

MASK = "model.roi_head.only_validation_categories"


@pytest.fixture
def config() -> Config:
    return Config(
        {
            "vocabulary": "lvis_v1",
            "train_pipeline": [{"type": "LoadImageFromFile"}],
            "model": {
                "type": "FasterRCNN",
                "vocabulary": "lvis_v1",
                "backbone": {"type": "ResNet", "depth": 50},
                "roi_head": {
                    "classifier": {"text_bank": "a.pth", "temperature": 0.01},
                },
                "test_cfg": {"rcnn": {"max_per_img": 50, "score_thr": 1e-4, "fused": True}},
                "tracker": {"match_score_thr": 0.5, "memo_frames": 10, "momentum_embed": 0.8},
            },
            "train_dataloader": {"batch_size": 2, "dataset": {"vocabulary": "lvis_v1"}},
            "test_dataloader": {"num_workers": 2, "dataset": {"ann_file": "val.json"}},
            "test_evaluator": [
                {"type": "Boxes", "ann_file": "val.json"},
                {
                    "type": "Tracks",
                    "ann_file": "val.json",
                    "vocabulary": "lvis_v1",
                    "out_dir": None,
                },
            ],
            "val_evaluator": {"type": "Tracks", "vocabulary": "lvis_v1"},
            "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.02}},
            "train_cfg": {"max_epochs": 6, "by_epoch": True},
            "param_scheduler": [{"type": "MultiStepLR", "milestones": [3, 5]}],
        }
    )


def test_inference_command_of_the_readme(config):
    notices = apply_options(
        config,
        [
            "model.tracker.match_score_thr=0.33",
            "model.test_cfg.rcnn.max_per_img=110",
            f"{MASK}=True",
            "model.tracker.memo_frames=30",
            "model.tracker.momentum_embed=0.4",
        ],
        ["resfile_path=results/run"],
    )
    assert config.model.tracker == {
        "match_score_thr": 0.33,
        "memo_frames": 30,
        "momentum_embed": 0.4,
    }
    assert config.model.test_cfg.rcnn.max_per_img == 110
    assert config.model.vocabulary == "tao_validation"
    assert config.test_evaluator[1].vocabulary == "tao_validation"
    assert config.val_evaluator.vocabulary == "tao_validation"
    assert config.train_dataloader.dataset.vocabulary == "lvis_v1", "training keeps its classes"
    assert config.test_evaluator[1].out_dir == "results/run"
    assert any(MASK in n and "model.vocabulary" in n for n in notices)
    assert any("resfile_path" in n for n in notices)
    assert len(notices) == 2


def test_training_options_of_the_readme(config):
    notices = apply_options(
        config,
        ["total_epochs=10", "load_from=saved/x.pth", "model.roi_head.prompt_path=/a dir/b,c.pth"],
    )
    assert config.train_cfg.max_epochs == 10
    assert config.load_from == "saved/x.pth"
    assert config.model.roi_head.classifier.text_bank == "/a dir/b,c.pth"
    assert notices[0] == "Option 'total_epochs' is now 'train_cfg.max_epochs'."
    assert len(notices) == 2, "an option that kept its name needs no notice"


def test_test_split_of_tao(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    apply_options(
        config,
        [
            f"{MASK}=False",
            "model.roi_head.only_test_categories=True",
            "data.test.ann_file=test.json",
        ],
    )
    assert config.model.vocabulary == "tao_test"
    path = str(tmp_path / "test.json")
    assert config.test_dataloader.dataset.ann_file == path, "else joined to the dataset's root"
    assert [e.ann_file for e in config.test_evaluator] == [path] * 2


def test_no_mask_means_all_classes(config):
    config.model.vocabulary = "tao_validation"
    apply_options(config, [f"{MASK}=False"])
    assert config.model.vocabulary == "lvis_v1"


def test_contradicting_masks_are_refused(config):
    with pytest.raises(InputError, match="tao_test, tao_validation"):
        apply_options(config, [f"{MASK}=True", "model.roi_head.only_test_categories=True"])


def test_parse_time_variable_vocabulary_acts_where_it_is_used(config):
    apply_options(config, ["vocabulary=tao_test"])
    assert config.model.vocabulary == config.val_evaluator.vocabulary == "tao_test"


def test_option_of_an_absent_part_is_refused_with_the_reason(config):
    with pytest.raises(InputError, match="this config has no spatial loss.*leave the option out"):
        apply_options(config, ["model.roi_head.spatial_learning_rate=0.1"])


def test_data_options_reach_the_dataset_inside_of_wrappers(config):
    inner = dict(type="ImagePairDataset", ann_file="a.json")
    config.train_dataloader = dict(
        dataset=dict(
            type="MixedPairDataset", dataset=dict(type="ClassBalancedDataset", dataset=inner)
        )
    )
    apply_options(config, ["data.train.ann_file=b.json"])
    assert config.train_dataloader.dataset.dataset.dataset.ann_file.endswith("/b.json")


def test_features_from_disk_are_a_choice_of_the_data(config):
    with pytest.raises(InputError, match="load no region features"):
        apply_options(config, ["model.roi_head.load_feature=True"])
    pipeline = [dict(type="LoadCheckedImage"), dict(type="LoadRegionFeatures", load_feature=True)]
    config.train_dataloader = dict(dataset=dict(dataset=dict(pipeline=pipeline)))
    notices = apply_options(config, ["model.roi_head.load_feature=False"])
    assert config.train_dataloader.dataset.dataset.pipeline[1].load_feature is False
    assert "train_dataloader.dataset.dataset.pipeline.1.load_feature" in notices[0]


def test_option_of_a_present_part_is_set(config):
    config.model.spatial_loss = {"loss_weight": 1.0}
    apply_options(config, ["model.roi_head.spatial_learning_rate=0.1"])
    assert config.model.spatial_loss.loss_weight == 0.1


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("model.traker.memo_frames", "model.tracker.memo_frames"),
        ("model.tracker.memo_frame", "model.tracker.memo_frames"),
        ("max_per_img", "model.test_cfg.rcnn.max_per_img"),
        ("total_epoch", "total_epochs"),
        ("test_evaluator.anotation", "test_evaluator"),
    ],
)
def test_unknown_option_lists_near_matches_and_changes_nothing(config, typed, meant):
    before = config.to_dict()
    with pytest.raises(InputError) as error:
        apply_options(config, [f"{typed}=1"])
    assert f"'{typed}'" in str(error.value)
    assert meant in str(error.value).split("Did you mean")[1]
    assert config.to_dict() == before


def test_variable_of_the_config_file_is_refused_because_it_would_do_nothing(config):
    with pytest.raises(InputError, match="would change nothing"):
        apply_options(config, ["train_pipeline.0.type=Other"])


def test_constructor_argument_that_the_config_leaves_at_its_default_can_be_set(config):
    apply_options(config, ["model.backbone.frozen_stages=2"])
    assert config.model.backbone.frozen_stages == 2
    apply_options(config, ["optim_wrapper.optimizer.nesterov=True", "optimizer.lr=0.1"])
    assert config.optim_wrapper.optimizer == {"type": "SGD", "lr": 0.1, "nesterov": True}
    with pytest.raises(InputError, match="Unknown option 'model.backbone.frozen_stage'"):
        apply_options(config, ["model.backbone.frozen_stage=2"])


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("model.tracker.memo_frames=many", "a number"),
        ("model.tracker.match_score_thr=True", "a number"),
        ("model.test_cfg.rcnn.fused=1", "True or False"),
        ("param_scheduler.0.milestones=3", "a list"),
        ("model.tracker=3", "a dict"),
        (f"{MASK}=yes", "True or False"),
        ("train_cfg.max_epochs=2.5", "a whole number"),
        ("total_epochs=2.5", "a whole number"),
        ("model.test_cfg.rcnn.max_per_img=1e999", "a whole number"),
        ("train_dataloader.batch_size=0.5", "a whole number"),
    ],
)
def test_wrong_type_is_refused(config, option, expected):
    with pytest.raises(InputError, match=f"expected {expected}"):
        apply_options(config, [option])


@pytest.mark.parametrize("option", ["total_epochs", "=3", "total_epochs 10"])
def test_not_a_pair(config, option):
    with pytest.raises(InputError, match="key=value"):
        apply_options(config, [option])


def test_a_whole_number_for_a_fraction_becomes_one(config):
    apply_options(config, ["model.tracker.match_score_thr=1"])
    assert isinstance(config.model.tracker.match_score_thr, float)


def test_a_whole_number_may_be_written_as_a_fraction_without_rest(config):
    apply_options(config, ["train_cfg.max_epochs=2.0", "model.test_cfg.rcnn.max_per_img=1e2"])
    assert (config.train_cfg.max_epochs, config.model.test_cfg.rcnn.max_per_img) == (2, 100)
    assert isinstance(config.train_cfg.max_epochs, int)


def test_an_argument_that_takes_fractions_may_stand_as_a_whole_number_in_the_config(config):
    config.model.loss = {"type": "PairMarginL2Loss", "pos_margin": 0}
    apply_options(config, ["model.loss.pos_margin=0.1"])
    assert config.model.loss.pos_margin == 0.1


def test_names_may_be_listed_where_a_file_stands_now(config):
    config.test_evaluator[1].type = "TaoTrackMetric"
    apply_options(config, ["test_evaluator.1.vocabulary=[cat,fire truck]"])
    assert config.test_evaluator[1].vocabulary == ["cat", "fire truck"]


@pytest.mark.parametrize(
    ("options", "from_run"),
    [
        (["resume=True", "load_from=a.pth"], "a.pth"),
        (["resume_from=a.pth"], "a.pth"),
        (["resume=True"], None),
        (["load_from=a.pth"], None),
        (["resume=False", "load_from=a.pth"], None),
    ],
)
def test_resuming_with_a_file_continues_its_run(config, options, from_run):
    apply_options(config, options)
    assert config.get("resume_from") == from_run
    assert ("load_from" in config) == (from_run is None and "load_from=a.pth" in options)


def test_a_class_that_does_not_take_the_settings_is_refused(config):
    config.optim_wrapper.optimizer = {"type": "SGD", "lr": 0.02, "momentum": 0.9}
    with pytest.raises(InputError, match="AdamW does not take momentum"):
        apply_options(config, ["optimizer.type=AdamW"])
    apply_options(config, ["optimizer={'type': 'AdamW', 'lr': 1e-4}"])
    assert config.optim_wrapper.optimizer == {"type": "AdamW", "lr": 1e-4}


def test_lists_are_read_and_indexed(config):
    apply_options(config, ["param_scheduler.0.milestones=[8,11]"])
    assert config.param_scheduler[0].milestones == [8, 11]
    apply_options(config, ["param_scheduler.0.milestones=4,5", "test_evaluator.0.ann_file=x.json"])
    assert config.param_scheduler[0].milestones == [4, 5]
    assert config.test_evaluator[0].ann_file == "x.json"
    assert config.test_evaluator[1].ann_file == "val.json"
    with pytest.raises(InputError, match="Unknown option"):
        apply_options(config, ["param_scheduler.7.milestones=4,5"])


def test_new_names_differ_from_old_names():
    new = {target for targets in OLD.renamed.values() for target in targets}
    assert not new & set(OLD.names())


def test_dotted_keys(config):
    keys = dotted_keys(config)
    assert "model.tracker" in keys
    assert "test_evaluator.1.vocabulary" in keys


def test_a_vocabulary_that_is_named_wins_over_an_old_mask(repository):
    config = Config.fromfile(
        "configs/ovtrack-teta/ovtrack_r50_reverse_without_inference.py", import_custom_modules=False
    )
    apply_options(config, ["test_evaluator.vocabulary=lvis_v1", f"{MASK}=True"])
    assert config.test_evaluator.vocabulary == "lvis_v1"
    assert config.model.detector.vocabulary == "tao_validation"
