"""The table of claims: its rows load, its scores and intervals are right, its cells are kept."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from shutil import copytree
from string import Template

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from scipy import stats

from tests.places import ROOT
from tools.benchmarks.claims import naming, runs, scores, tables
from tools.benchmarks.claims.intervals import Interval, interval
from tools.benchmarks.claims.rows import CLAIMS, ROWS, Claim, claimed, with_starts
from tools.benchmarks.claims.runs import Cells
from vovtrack.cli.main import main
from vovtrack.engine.run import load_config
from vovtrack.errors import InputError
from vovtrack.evaluation import evaluate
from vovtrack.evaluation.reports.report import write_report
from vovtrack.formats.tao.annotations import read_annotations

CLEAR = dict(visibility=1.0, truncation=0.0, blur=0.0, light=1.0)
DARK = CLEAR | dict(light=0.1)


def measured(world: Path, folder: Path) -> Path:
    """A copy of a world in which every other object is dark."""
    copy = copytree(world, folder / "world")
    path = copy / "lvis/annotations/val.json"
    content = json.loads(path.read_text())
    for k, row in enumerate(content["annotations"]):
        row |= DARK if k % 2 else CLEAR
    path.write_text(json.dumps(content))
    return copy


class TestIntervals:
    def draws(self, seeds: float, worlds: float, rest: float, count: int = 600):
        rng = np.random.default_rng(0)
        for _ in range(count):
            yield (
                seeds * rng.normal(size=(3, 1))
                + worlds * rng.normal(size=(1, 3))
                + rest * rng.normal(size=(3, 3))
            )

    @pytest.mark.parametrize("turned", [False, True])
    def test_along_one_axis_it_is_the_paired_t_interval(self, turned):
        rng = np.random.default_rng(1)
        ours, theirs = rng.normal(size=(2, 4, 1))
        wanted = stats.ttest_rel(ours[:, 0], theirs[:, 0]).confidence_interval(0.9)
        differences = (ours - theirs).T if turned else ours - theirs
        found = interval(differences, confidence=0.9)
        assert found == pytest.approx([(ours - theirs).mean(), wanted.low, wanted.high])

    @pytest.mark.parametrize("parts", [(1, 1, 1), (0, 1, 1), (1, 0, 1), (0, 0, 1), (1, 1, 0)])
    def test_it_covers_the_truth_whatever_differs(self, parts):
        covered = [low <= 0 <= high for _, low, high in map(interval, self.draws(*parts))]
        assert np.mean(covered) >= 0.945

    def test_cells_are_not_samples(self):
        naive = [stats.ttest_1samp(d.ravel(), 0).pvalue > 0.05 for d in self.draws(1, 1, 1)]
        assert np.mean(naive) < 0.85

    def test_without_repetition_there_is_none(self):
        assert np.isnan(interval(np.ones((1, 1)))[1:]).all()
        assert interval(np.full((3, 3), 2.0)) == Interval(2.0, 2.0, 2.0)


class TestRows:
    @pytest.mark.parametrize("name", ROWS)
    def test_options_of_a_row_change_what_its_configs_have(self, name, repository):
        row = ROWS[name]
        places = dict.fromkeys(("world", "regions", "prompts", "videos", "results"), "/place")
        for config, options in ((row.config, row.train), (row.test_config, row.test)):
            if config is None:
                continue
            filled = [Template(option).substitute(places) for option in options]
            plain, changed = unchanged(config), load_config(config, cfg_options=filled)
            for option in filled:
                key = option.partition("=")[0]
                assert value(changed, key) != value(plain, key), option

    def test_a_row_starts_from_one_before_it(self):
        names = with_starts(list(ROWS))
        assert sorted(names) == sorted(ROWS)
        assert all(names.index(row.start) < names.index(n) for n, row in ROWS.items() if row.start)

    def test_claims_compare_what_both_rows_measure(self):
        for claim in CLAIMS:
            for name in (claim.row, claim.over):
                assert claim.metric in scores.METRICS[ROWS[name].measure]
                assert name in claimed()

    def test_every_self_supervision_is_a_row(self):
        configs = (ROOT / "configs/mini").glob("ovtrack_self_supervised*.py")
        trained = {ROWS[name].config for name in claimed()}
        assert {str(path.relative_to(ROOT)) for path in configs} <= trained


unchanged = cache(load_config)


def value(config, key: str):
    """What stands at a dotted key."""
    for part in key.split("."):
        config = config[int(part)] if part.isdigit() else config.get(part)
    return config


class TestDegraded:
    """An image with a clear and a dark object of one class."""

    def scored(self, tmp_path, boxes: list[tuple[list[float], float]]) -> dict[str, float]:
        image = dict(id=1, width=100, height=100, file_name="a.jpg", neg_category_ids=[])
        objects = [([0, 0, 20, 20], CLEAR), ([50, 50, 20, 20], DARK)]
        content = dict(
            images=[image | dict(not_exhaustive_category_ids=[])],
            categories=[dict(id=1, name="a", frequency="r")],
            annotations=[
                dict(id=k, image_id=1, category_id=1, bbox=box, area=400) | seen
                for k, (box, seen) in enumerate(objects, start=1)
            ],
        )
        (tmp_path / "gt.json").write_text(json.dumps(content))
        found = [dict(image_id=1, category_id=1, bbox=box, score=s) for box, s in boxes]
        (tmp_path / "found.json").write_text(json.dumps(found))
        table = scores.still_scores(tmp_path / "gt.json", tmp_path / "found.json")
        return {metric: values["stills 1"] for metric, values in table.items()}

    def test_finding_the_dark_object_alone_is_all_that_counts(self, tmp_path):
        found = self.scored(tmp_path, [([50, 50, 20, 20], 0.8)])
        assert found["degraded AP"] == pytest.approx(100)
        assert found["novel AP"] == pytest.approx(50, abs=1)

    def test_finding_the_clear_object_is_neither_right_nor_wrong(self, tmp_path):
        both = [([0, 0, 20, 20], 0.9), ([50, 50, 20, 20], 0.8)]
        assert self.scored(tmp_path, both)["degraded AP"] == pytest.approx(100)
        assert self.scored(tmp_path, both[:1])["degraded AP"] == 0

    def test_a_false_detection_still_is_one(self, tmp_path):
        boxes = [([80, 0, 10, 10], 0.9), ([50, 50, 20, 20], 0.8)]
        assert self.scored(tmp_path, boxes)["degraded AP"] == pytest.approx(50)

    def test_a_world_that_does_not_say_is_refused(self, tmp_path):
        path = tmp_path / "old.json"
        path.write_text(json.dumps(dict(annotations=[dict(id=1, visibility=1.0)])))
        with pytest.raises(InputError, match="lack visibility, .*Render the world again"):
            scores.clear_objects(path)


class TestVideos:
    def test_joined_videos_score_as_those_of_each_file(self, world, tmp_path):
        annotations = world / "tao/annotations"
        joined = tmp_path / "videos.json"
        scores.join_videos(world, joined)
        tracks = [
            {k: row[k] for k in ("image_id", "category_id", "bbox", "track_id", "video_id")}
            | dict(score=1.0, track_id=row["track_id"] + (row["id"] % 3 == 0) * 10_000)
            for row in read_annotations(joined)["annotations"]
        ]
        whole = self.report(joined, tracks, tmp_path / "whole")
        # In the joined file the first one keeps its ids.
        alone = read_annotations(annotations / "validation.json")
        known = {image["id"] for image in alone["images"]}
        own = [row for row in tracks if row["image_id"] in known]
        wanted = self.report(annotations / "validation.json", own, tmp_path / "alone")
        names = [video["name"] for video in alone["videos"]]
        found = scores.video_scores(whole, {"validation": {"validation": names}})
        summary = json.loads(wanted.read_text())["summary"]["all"]
        assert summary["AssocA"] < 100
        assert {m: found[f"{m} validation"]["validation"] for m in scores.VIDEOS} == (
            pytest.approx({m: summary[m] for m in scores.VIDEOS})
        )

    def report(self, gt: Path, tracks: list[dict], path: Path) -> Path:
        path.with_suffix(".tracks.json").write_text(json.dumps(tracks))
        report = evaluate("tao-ov", gt, path.with_suffix(".tracks.json"))
        write_report(report, path.with_suffix(".json"))
        return path.with_suffix(".json")

    def test_worlds_share_no_video(self, world):
        for parts in scores.evaluation_videos(world).values():
            names = [name for videos in parts.values() for name in videos]
            assert names and len(names) == len(set(names))


def flat(found: dict[str, dict[str, float]]) -> dict[tuple[str, str], float]:
    """Scores by metric and world, in one level."""
    return {(metric, w): v for metric, worlds in found.items() for w, v in worlds.items()}


class TestCells:
    WEIGHTS = ROOT / "saved_models/mini/ovtrack_mini.safetensors"

    def detector(self, folder: Path) -> Path:
        """The shipped tracker's detector as a file of its own."""
        kept = {k: v for k, v in load_file(self.WEIGHTS).items() if "track_head" not in k}
        parts = {k.removeprefix("detector."): v for k, v in kept.items()}
        save_file(parts, folder / "detector.safetensors")
        return folder / "detector.safetensors"

    @pytest.mark.slow
    def test_what_is_done_is_kept_and_what_is_missing_made(self, world, tmp_path, repository):
        world = measured(world, tmp_path)
        arguments = (tmp_path / "out", world, self.detector(tmp_path))
        first = Cells(*arguments).fill("detector", 0)
        assert set(first) == set(scores.METRICS["stills"])
        wanted = pytest.approx(flat(first), nan_ok=True)
        (log,) = (tmp_path / "out").rglob("test.log")
        log.unlink()
        assert flat(Cells(*arguments).scores("detector", 0)) == wanted
        assert flat(Cells(*arguments).fill("detector", 1)) == wanted
        assert not log.exists(), "nothing ran"
        (done,) = (tmp_path / "out").rglob("scores.json")
        done.unlink()
        assert flat(Cells(*arguments).fill("detector", 0)) == wanted
        assert log.exists()

    def test_another_world_or_start_makes_other_cells(self, world, tmp_path, repository):
        other = measured(world, tmp_path)
        out = tmp_path / "out"
        variants = [
            Cells(out, world),
            Cells(out, other),
            Cells(out, world, self.WEIGHTS),
            Cells(out, world, quick=True),
        ]
        folders = [cells._folder("stage4_pairs", 0) for cells in variants]
        assert len({*folders, variants[0]._folder("stage4_pairs", 1)}) == 5
        assert variants[0]._folder("detector", 0) == variants[0]._folder("detector", 1)

    def test_a_bank_that_was_interrupted_is_made_again(self, world, tmp_path, monkeypatch):
        """What is left of it does not count as done."""
        made = []

        def killed(log, *command):
            if "--bank" in command:
                bank = Path(command[command.index("--bank") + 1])
                bank.mkdir(parents=True, exist_ok=True)
                made.append(bank.name)
                raise SystemExit(1)
            log.parent.mkdir(parents=True, exist_ok=True)

        monkeypatch.setattr(runs, "_run", killed)
        for _ in range(2):
            with pytest.raises(SystemExit):
                Cells(tmp_path / "out", world, self.WEIGHTS)._regions()
        assert made == ["bank_train"] * 2


class TestNaming:
    def test_the_template_names_most_objects(
        self, world, tmp_path, repository, monkeypatch, capsys
    ):
        bank = tmp_path / "regions-0/bank_val_gt"
        stills = [world / "lvis/annotations/val.json", "--images", world / "lvis/images"]
        words = ["extract", "--ann", *stills, *runs._CLIP, "--bank", bank, "--annotated", "all"]
        assert main(["features", *map(str, words)]) == 0
        options = ["--out", str(tmp_path), "--world", str(world)]
        monkeypatch.setattr(sys, "argv", ["naming", *options])
        capsys.readouterr()
        assert naming.main() == 0
        (row,) = (r for r in capsys.readouterr().out.splitlines() if "template" in r)
        base, novel = (float(cell) for cell in row.split("|")[2:4])
        assert 50 < base <= 100 and 50 < novel <= 100

    def test_without_regions_it_says_what_makes_them(self, world, tmp_path):
        with pytest.raises(InputError, match="row 'prompts'"):
            naming.regions(tmp_path, world)


class TestTables:
    CLAIM = Claim("x", "stage3", "overlap", "AssocA validation")

    def cells(self, gains: list[list[float]]) -> dict:
        base = {m: {"a": 50.0, "b": 60.0} for m in scores.METRICS["videos"]}
        found = {}
        for seed, gain in enumerate(gains):
            found["overlap", seed] = base
            better = {"a": 50 + gain[0], "b": 60 + gain[1]}
            found["stage3", seed] = base | {self.CLAIM.metric: better}
        return found

    def test_differences_are_paired_by_seed_and_world(self):
        cells = self.cells([[1.0, 2.0], [3.0, 4.0]])
        del cells["overlap", 1]
        assert tables.paired(self.CLAIM, cells, [0, 1]).tolist() == [[1.0, 2.0]]
        assert tables.paired(self.CLAIM, {}, [0]) is None

    def test_table_and_record_say_what_the_cells_say(self):
        cells = self.cells([[9.0, 11.0], [10.0, 10.0]])
        text = tables.table(cells, [0, 1])
        assert "| stage 3 over overlap | AssocA validation | +10.0 | " in text
        assert "| 2 x 2 | yes |" in text
        assert "| stage 3 | 55.0 ± 0.0 |" in text
        record = tables.record(cells, [0, 1])
        assert len(record["cells"]) == 4
        assert record["claims"][0]["differences"] == [[9.0, 11.0], [10.0, 10.0]]
        json.dumps(record)

    @pytest.mark.parametrize(
        ("low", "high", "loss_only", "wanted"),
        [
            (1, 2, False, "yes"),
            (-1, 2, False, "not told apart"),
            (-1, 2, True, "no loss to be told"),
            (-2, -1, True, "no: lost"),
            (float("nan"), float("nan"), False, "not repeated"),
        ],
    )
    def test_verdict(self, low, high, loss_only, wanted):
        claim = Claim("x", "a", "b", "AP", loss_only)
        assert tables.verdict(claim, Interval(0.0, low, high)) == wanted
