"""Configs: data is read as data, and a program runs only where it is the project's or trusted."""

from __future__ import annotations

import json

import cv2
import hostile
import numpy as np
import pytest
import yaml
from mmengine.config import Config

from vovtrack import compat, load_tracker
from vovtrack.cli.main import main
from vovtrack.cli.systems import collect_systems
from vovtrack.engine.configs import find_config, read_config
from vovtrack.engine.shipped import SHIPPED
from vovtrack.errors import InputError

MINI = SHIPPED / "configs/mini/ovtrack.py"


@pytest.fixture
def corpus(tmp_path):
    canary = tmp_path / "it_ran"
    return hostile.write_configs(tmp_path / "configs", canary), canary


def test_hostile_data_is_refused_with_one_sentence(corpus):
    files, canary = corpus
    assert len(files) > 20
    for path in files:
        with pytest.raises(InputError) as caught:
            read_config(path)
        message = str(caught.value)
        named = "program.py" if path.name.startswith("based_on") else path.name
        assert named in message and "\n" not in message, message
        assert not canary.exists(), path.name


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("apply.yaml", "os.system"),
        ("new.yaml", "subprocess.Popen"),
        ("type.yaml", "'os.system' under 'type'.*--trust-config"),
        ("type.json", "'subprocess.getoutput'.*--trust-config"),
        ("imports.yaml", "'antigravity' under 'custom_imports'.*--trust-config"),
        ("constructor.yaml", "'os.system' under 'constructor'"),
        ("scope.yaml", "'antigravity' under 'default_scope'"),
        ("based_on_program.yaml", r"program\.py.*program.*--trust-config"),
        ("references.yaml", "more than"),
        ("deep.yaml", "too deeply"),
        ("deep.json", "too deeply"),
    ],
)
def test_the_refusal_tells_what_was_found(corpus, name, found):
    files, _ = corpus
    with pytest.raises(InputError, match=found):
        read_config(files[0].parent / name)


def test_mmengine_itself_reads_yaml_as_data(corpus):
    files, canary = corpus
    compat.install()
    for name in ("apply.yaml", "apply_eval.yml", "new.yaml", "references.yaml"):
        with pytest.raises(yaml.YAMLError):
            Config.fromfile(files[0].parent / name)
    assert not canary.exists()


@pytest.fixture
def program(tmp_path):
    """A config of a user that counts how often it ran."""
    path = tmp_path / "mine.py"
    path.write_text(
        f"open({str(tmp_path / 'ran')!r}, 'a').write('x')\n"
        f"_base_ = {str(MINI)!r}\nmodel = dict(tracker=dict(memo_frames=3))\n"
    )
    return path


def test_a_foreign_program_needs_the_users_word(program, tmp_path):
    for read in (read_config, load_tracker):
        with pytest.raises(InputError, match=r"mine\.py.*not run.*--trust-config.*trust_config"):
            read(program)
    assert not (tmp_path / "ran").exists()
    assert read_config(program, trust_config=True).model.tracker.memo_frames == 3
    assert load_tracker(program, trust_config=True, device="cpu").model.tracker is not None


def test_a_link_into_the_project_is_as_foreign_as_its_target(program, monkeypatch, tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "linked.py").symlink_to(program)
    monkeypatch.setattr("vovtrack.engine.configs.CONFIGS", folder)
    with pytest.raises(InputError, match="not run"):
        read_config(folder / "linked.py")
    (folder / "own.py").write_text("a = 1\n")
    assert read_config(folder / "own.py").a == 1
    with pytest.raises(InputError, match="not run"):
        read_config(folder / ".." / program.name)


@pytest.mark.parametrize("verb", ["train", "test", "track", "doctor"])
def test_every_command_asks(verb, program, tmp_path, capsys):
    weights = SHIPPED / "saved_models/mini/ovtrack_mini.safetensors"
    frames = tmp_path / "frames"
    frames.mkdir()
    cv2.imwrite(str(frames / "0.png"), np.zeros((48, 64, 3), np.uint8))
    work = ["--work-dir", str(tmp_path / "work"), "--cfg-options"]
    words = {
        "train": [str(program), *work, "train_dataloader=None"],
        "test": [str(program), str(weights), *work, "test_dataloader=None"],
        "track": [str(frames), "--json", str(tmp_path / "o.json"), "--config", str(program)],
        "doctor": ["--checkpoint", str(weights), "--config", str(program)],
    }[verb]
    assert main([verb, *words]) == 2
    assert "--trust-config" in capsys.readouterr().err and not (tmp_path / "ran").exists()
    # Training and testing go on to say that the part taken away by an option is missing.
    expected = 2 if verb in ("train", "test") else 0
    assert main([verb, "--trust-config", *words]) == expected
    assert "--trust-config" not in capsys.readouterr().err
    assert (tmp_path / "ran").read_text() == "x"


@pytest.mark.parametrize("suffix", ["yaml", "yml", "json"])
def test_data_on_top_of_the_projects_programs(suffix, tmp_path):
    """What a user writes instead of a program: changes, as data, of a config of the project."""
    changes = {
        "_base_": [str(MINI)],
        "model": {
            "tracker": {"memo_frames": 7},
            "detector": {"neck": {"type": "mmdet.FPN"}, "roi_head": {"fusion": None}},
        },
        "train_pipeline": {"_delete_": True, "new": 1},
        "custom_imports": {"imports": ["ovtrack.models"]},
    }
    path = tmp_path / f"mine.{suffix}"
    path.write_text(json.dumps(changes) if suffix == "json" else yaml.safe_dump(changes))
    config, base = read_config(path), read_config(MINI)
    assert config.model.tracker.memo_frames == 7
    assert config.model.tracker.match_score_thr == base.model.tracker.match_score_thr
    assert config.train_pipeline == {"new": 1}
    assert config.filename == str(path)


def test_what_a_program_says_may_be_said_by_data(tmp_path):
    """Every type of the project's configs passes the check for foreign code."""
    collect_systems()
    path = tmp_path / "all.json"
    for config in sorted((SHIPPED / "configs").rglob("*.py")):
        content = read_config(config).to_dict()
        path.write_text(json.dumps(content, default=list))
        read_config(path)


def test_bases_that_contradict_each_other(tmp_path):
    (tmp_path / "a.yaml").write_text("x: 1\n")
    (tmp_path / "b.yaml").write_text("_base_: [a.yaml, a.yaml]\n")
    with pytest.raises(InputError, match="two of its bases set x"):
        read_config(tmp_path / "b.yaml")
    (tmp_path / "c.yaml").write_text("_base_: c.yaml\n")
    with pytest.raises(InputError, match=r"c\.yaml.*too deeply"):
        read_config(tmp_path / "c.yaml")
    (tmp_path / "d.yaml").write_text("_base_: a.yaml\nx: {y: 1}\n")
    with pytest.raises(InputError, match="does not fit its bases"):
        read_config(tmp_path / "d.yaml")


def test_the_projects_own_programs_need_no_word(monkeypatch, tmp_path):
    monkeypatch.chdir(SHIPPED)
    for name in ("mini", "ovtrack_r50_tao", "configs/mini/detector.py"):
        assert read_config(find_config(name)).model
