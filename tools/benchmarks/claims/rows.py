"""What is compared: the rows, each a training and a test, and the claims, each a pair of rows.

In options, ``$world`` is the folder of the world, ``$regions`` that of the feature banks,
``$prompts`` that of the learned prompts of the same seed, ``$videos`` the annotations of all
evaluation videos and ``$results`` the folder for the results of a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[3]
DETECTOR = "configs/mini/detector.py"
STAGE1, STAGE2 = "configs/mini/detpro.py", "configs/mini/detpro_state.py"
STAGE3 = "configs/mini/ovtrack.py"
STAGE4 = "configs/mini/ovtrack_self_supervised"
PROMPTS = "configs/mini/prompts.py"

_TRAIN_STILLS = ("train_dataloader.dataset.data_root=$world",)
_TEST_STILLS = (
    "test_dataloader.dataset.data_root=$world",
    "test_evaluator.ann_file=$world/lvis/annotations/val.json",
    "test_evaluator.out_dir=$results",
)
_TEST_VIDEOS = (
    "test_dataloader.dataset.data_root=$world",
    "test_dataloader.dataset.ann_file=$videos",
    "test_evaluator.ann_file=$videos",
    "test_evaluator.out_dir=$results",
)
_BANK = "train_dataloader.dataset.pipeline.1.bank=$regions/bank_train"
_TEXT_BRANCH = (
    "model.roi_head.distillation=None",
    "model.roi_head.bbox_head.image_branch=False",
    "model.roi_head.fusion=None",
)
_LEARNED = "model.roi_head.classifier.text_bank=$prompts/iou_neg5_ens.safetensors"
_ATTENTION = "model.roi_head.state_attention"
_REVERSED = "(('occluded','clear'),('truncated','clear'),('blurry','clear'),('dark','clear'))"
_SPATIAL = "model.spatial_loss"


@dataclass(frozen=True)
class Row:
    """One way to train, and what of it is measured.

    Attributes:
        title: What the table calls it.
        measure: Objects in stills, or tracks in videos.
        test_config: Config of the test.
        config: Config of the training; None tests the weights it starts from.
        train: Options of the training.
        test: Options of the test.
        start: The row whose weights it starts from.
        seeded: Trained by every seed; else once, for all.
    """

    title: str
    measure: Literal["stills", "videos"]
    test_config: str
    config: str | None
    train: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    start: str | None = None
    seeded: bool = True


@dataclass(frozen=True)
class Claim:
    """A row is better than another one.

    Attributes:
        text: The claim in words.
        row: The row that is said to be better.
        over: The row that it is compared with.
        metric: In what, a name of `claims.scores`.
        loss_only: All that is claimed is that nothing is lost.
    """

    text: str
    row: str
    over: str
    metric: str
    loss_only: bool = False


def _stills(title: str, *options: str, config: str | None = STAGE1, start: str = "detector") -> Row:
    """A row of stages 1 and 2; the model's options are those of training and test."""
    test_config = config or STAGE1
    return Row(
        title,
        "stills",
        test_config,
        config,
        train=(*_TRAIN_STILLS, _BANK, *options),
        test=(*_TEST_STILLS, *options),
        start=start,
    )


def _videos(
    title: str,
    config: str | None,
    *options: str,
    test: tuple[str, ...] = (),
    start: str = "stage3",
) -> Row:
    """A row of stages 3 and 4; all are tested as stage 3 is."""
    data = "train_dataloader.dataset.data_root=$world"
    if config is not None and config.startswith(STAGE4):
        data = "train_dataloader.dataset.dataset.data_root=$world"
    return Row(title, "videos", STAGE3, config, (data, *options), (*_TEST_VIDEOS, *test), start)


def _self_supervised() -> dict[str, Row]:
    """Stage 4 of every config that there is."""
    configs = sorted(ROOT.glob(f"{STAGE4}*.py"))
    names = [
        path.stem.removeprefix(Path(STAGE4).name).lstrip("_") or "corrected" for path in configs
    ]
    return {
        f"stage4_{name}": _videos(f"stage 4, {name}", str(path.relative_to(ROOT)))
        for name, path in zip(names, configs, strict=True)
    }


ROWS: dict[str, Row] = {
    "detector": Row(
        "stage 0: the detector all others start from", "stills", STAGE1, DETECTOR,
        _TRAIN_STILLS, (*_TEST_STILLS, *_TEXT_BRANCH), seeded=False,
    ),
    "templates": _stills("templates", *_TEXT_BRANCH),
    "prompts": _stills("learned prompts", *_TEXT_BRANCH, _LEARNED),
    "templates_distilled": _stills("templates, distillation"),
    "prompts_distilled": _stills("learned prompts, distillation (stage 1)", _LEARNED),
    "epoch": _stills(
        "stage 1, one more epoch without weights", _LEARNED, f"{_ATTENTION}=None",
        config=STAGE2, start="prompts_distilled",
    ),
    "stage2": _stills("stage 2", _LEARNED, config=STAGE2, start="prompts_distilled"),
    "stage2_released": _stills(
        "stage 2 as released", _LEARNED, "model.frozen_bn=train", f"{_ATTENTION}.detach=False",
        f"{_ATTENTION}.normalize=count", config=STAGE2, start="prompts_distilled",
    ),
    "overlap": _videos("overlap alone", None, test=("model.tracker={'type':'IoUTracker'}",)),
    "random": _videos(
        "appearance by a random head", STAGE3, "optim_wrapper.optimizer.lr=0.0",
        "train_cfg.max_epochs=1", "train_dataloader.dataset.indices=12", start="detector",
    ),
    "stage3": _videos("stage 3", STAGE3, start="detector"),
    **_self_supervised(),
    # What isolates why; trained only where --rows names them.
    **{
        f"{branch}_branch": _stills(
            f"stage 1, its {branch} branch alone", _LEARNED,
            f"model.roi_head.fusion.fixed_text_weight={weight}",
            config=None, start="prompts_distilled",
        )
        for branch, weight in (("text", 1.0), ("image", 0.0))
    },
    "stage2_reversed": _stills(
        "stage 2, degraded regions weighed up", _LEARNED, f"{_ATTENTION}.pairs={_REVERSED}",
        f"{_ATTENTION}.low=0.2", f"{_ATTENTION}.high=0.7",
        config=STAGE2, start="prompts_distilled",
    ),
    "cycles": _videos("stage 4, corrected, cycles alone", f"{STAGE4}.py", f"{_SPATIAL}=None"),
    "rate": _videos(
        "stage 4, corrected, at the released learning rate", f"{STAGE4}.py",
        "optim_wrapper.optimizer.lr=1e-7",
    ),
    "clusters": _videos(
        "stage 4, corrected, in 8 clusters", f"{STAGE4}.py", "model.num_clusters=8"
    ),
    "larger": _videos(
        "stage 4, corrected, cycles from the larger frame", f"{STAGE4}.py",
        "model.cycle_loss.start=larger",
    ),
    "one_pass": _videos(
        "stage 4, released, all frames in one pass", f"{STAGE4}_released.py",
        "model.separate_views=False",
    ),
    "frozen": _videos(
        "stage 4, released, with frozen statistics", f"{STAGE4}_released.py",
        "model.frozen_bn=eval",
    ),
    "stills": _videos(
        "stage 3 from two views of single images", STAGE3, "train_dataloader.dataset.max_gap=0",
        "train_dataloader.dataset.include_self=True", start="detector",
    ),
    "stills_tracklets": _videos(
        "... then stage 4, tracklets", f"{STAGE4}_tracklets.py", start="stills"
    ),
    "stills_pairs": _videos("... then stage 4, pairs", f"{STAGE4}_pairs.py", start="stills"),
}  # fmt: skip

CLAIMS = (
    Claim("learned prompts over templates", "prompts", "templates", "novel AP"),
    Claim(
        "learned prompts over templates, with distillation",
        "prompts_distilled",
        "templates_distilled",
        "novel AP",
    ),
    Claim("distillation", "prompts_distilled", "prompts", "novel AP"),
    Claim("stage 2 over an epoch without weights", "stage2", "epoch", "degraded AP"),
    Claim(
        "its text branch alone, over one that is not distilled",
        "text_branch",
        "prompts",
        "novel AP",
        loss_only=True,
    ),
    Claim(
        "degraded regions weighed up, over an epoch without weights",
        "stage2_reversed",
        "epoch",
        "degraded AP",
    ),
    Claim(
        "stage 2 as released over an epoch without weights",
        "stage2_released",
        "epoch",
        "degraded AP",
    ),
    Claim("stage 3 over overlap", "stage3", "overlap", "AssocA validation"),
    Claim("stage 3 over a random head", "stage3", "random", "AssocA validation"),
    *(
        Claim(f"{row.title} over stage 3", name, "stage3", f"AssocA {where}", where != "shifted")
        for name, row in _self_supervised().items()
        for where in ("shifted", "validation")
    ),
    *(
        Claim(
            "stage 4, tracklets over a stage 3 of single images",
            "stills_tracklets",
            "stills",
            f"AssocA {where}",
            where != "shifted",
        )
        for where in ("shifted", "validation")
    ),
)


def claimed() -> list[str]:
    """The rows that claims speak of, and the detector, in the order of the table."""
    wanted = {"detector", *(name for claim in CLAIMS for name in (claim.row, claim.over))}
    return [name for name in ROWS if name in wanted]


def with_starts(names: list[str]) -> list[str]:
    """The rows and all that they start from, each after what it starts from."""
    found: list[str] = []
    for name in names:
        start = ROWS[name].start
        found += [*with_starts([start] if start else []), name]
    return list(dict.fromkeys(found))
