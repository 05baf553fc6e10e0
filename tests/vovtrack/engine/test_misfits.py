"""Mistakes in a trusted config are sentences that name the config and what is wrong."""

from __future__ import annotations

import pytest

from vovtrack.engine.load import load_tracker
from vovtrack.engine.run import train
from vovtrack.errors import InputError


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("model = dict(foo=1)", r"does not fit its parts: .*unexpected keyword argument 'foo'"),
        ("model = dict(type='')", "does not fit its parts: Failed to get"),
        (
            "model = dict(type='Nobody')",
            "does not fit its parts: .*Nobody is not in the .*registry",
        ),
        (
            "model = dict(tracker=dict(_delete_=True, type='MotionTracker'))",
            ".*missing .*'tracker'",
        ),
        ("custom_imports = ['x']", "cannot be read: .*must be a mapping"),
        ("scale = frame_scale", "cannot be read: name 'frame_scale' is not defined"),
        ("x = = 3", "cannot be read: invalid syntax"),
    ],
)
def test_a_mistake_is_a_sentence(content, message, repo_root, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(f"_base_ = '{repo_root}/configs/mini/ovtrack.py'\n{content}\n")
    with pytest.raises(InputError, match=f"mine.py' {message}"):
        load_tracker(path, trust_config=True)


def test_training_says_the_same(repo_root, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        f"_base_ = '{repo_root}/configs/mini/ovtrack.py'\nload_from = None\nmodel = dict(foo=1)\n"
    )
    with pytest.raises(InputError, match="unexpected keyword argument 'foo'"):
        train(path, work_dir=tmp_path / "work", trust_config=True)


def test_errors_of_a_part_itself_keep_their_place(repo_root, tmp_path):
    path = tmp_path / "mine.py"
    head = f"_base_ = '{repo_root}/configs/mini/ovtrack.py'\n"
    path.write_text(head + "model = dict(track_head=dict(norm_cfg=dict(num_groups=7)))\n")
    with pytest.raises(ValueError, match="num_groups"):
        load_tracker(path, trust_config=True)
