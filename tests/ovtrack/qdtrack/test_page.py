"""The page of configs/qdtrack: its commands, its options and what it says of released configs."""

from __future__ import annotations

import re
import shlex

import pytest
from mmengine.config import Config

from tests.places import ROOT
from vovtrack.cli.main import build_parser
from vovtrack.engine.configs import find_config
from vovtrack.engine.run import load_config

PAGE = (ROOT / "configs/qdtrack/README.md").read_text()
RELEASED = "qdtrack_frcnn_r50_fpn_augs_1x_bdd100k"
YOLOX = "qdtrack_yolox_x_50e_bdd100k"


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def cells(title: str, column: int) -> list[str]:
    """What stands in backticks in a column of the table of a section."""
    rows = [row for row in section(title).splitlines() if row.startswith("|")][2:]
    return [code for row in rows for code in re.findall(r"`([^`]+)`", row.split("|")[column])]


def value(config: Config, key: str):
    for word in key.split("."):
        config = config[word]
    return config


@pytest.mark.parametrize("key", cells("Released and corrected", 3))
def test_released_and_corrected_differ_in_this_value(key):
    released, corrected = load_config(RELEASED), load_config(f"{RELEASED}_corrected")
    default = dict(overlap="shown", bbox_clip_border=True, released_positives=False)
    *place, name = key.split(".")
    part = value(corrected, ".".join(place))
    assert value(released, key) != part.get(name, default.get(name))


def test_every_departure_is_on_the_page():
    """What else differs between the two configs is nothing."""
    released, corrected = load_config(RELEASED), load_config(f"{RELEASED}_corrected")
    for key in cells("Released and corrected", 3):
        *place, name = key.split(".")
        for config in (released, corrected):
            value(config, ".".join(place)).pop(name, None)
    for part in ("model", "train_dataloader", "test_dataloader", "param_scheduler"):
        assert released[part] == corrected[part], part


def test_options_of_the_page_are_understood():
    options = [
        code.removeprefix("--cfg-options ")
        for code in cells("The commands of vis4d", 2)
        if code.startswith("--cfg-options")
    ]
    assert len(options) == 4
    load_config(RELEASED, cfg_options=[option.replace("FILE", "None") for option in options])


def test_commands_of_the_page_are_understood():
    blocks = re.findall(r"```bash\n(.*?)```", PAGE, flags=re.DOTALL)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert len(commands) == 5
    for program, *words in commands:
        if program == "vovtrack":
            args = build_parser(words[:1]).parse_args(words)
            assert find_config(args.config)
        else:
            assert (ROOT / program).is_file() and find_config(words[0])


@pytest.mark.parametrize("name", [YOLOX, RELEASED])
def test_both_names_of_a_config_are_one(name):
    alias = {YOLOX: "qdtrack_yolox_x_25e_bdd100k", RELEASED: "qdtrack_r50_bdd100k"}[name]
    one, other = load_config(name), load_config(alias)
    for part in ("model", "train_dataloader", "optim_wrapper", "test_evaluator"):
        assert one[part] == other[part]


def test_stills_alone_see_no_video():
    data = load_config("qdtrack_frcnn_r50_fpn_1x_bdd100k_stills").train_dataloader.dataset
    (stills,) = data.dataset.datasets
    assert stills.pick["scope"] == 0 and stills.ann_file == "labels/det_20/det_train.json"
