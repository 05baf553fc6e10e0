"""Whole evaluations: protocol, faults, shards, oracles, comparison."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.evaluation import compare, evaluate
from vovtrack.evaluation.pipeline import divide
from vovtrack.evaluation.reports.report import join_shards, read_report, statistics_of, write_report
from vovtrack.evaluation.reports.tables import (
    comparison_rows,
    dropped_rows,
    markdown_table,
    oracle_rows,
    summary_rows,
    text_table,
)


@pytest.fixture
def files(recorded, tmp_path):
    """Annotations, and a function that writes changed predictions."""
    rows = json.loads(recorded("tao_small_pred").read_text())

    def changed(**values):
        rows[3].update(values)
        path = tmp_path / "pred.json"
        path.write_text(json.dumps(rows))
        return path

    return recorded("tao_small_gt"), changed, rows


@pytest.fixture(scope="module")
def edge(recorded):
    return recorded("tao_edge_gt"), recorded("tao_edge_pred")


@pytest.fixture(scope="module")
def report(edge):
    return evaluate("tao-ov", *edge)


def test_protocol_says_what_was_evaluated(files):
    gt, changed, rows = files
    result = evaluate("tao-ov", gt, changed())
    protocol = result["protocol"]
    assert protocol["annotations_sha256"] == hashlib.sha256(gt.read_bytes()).hexdigest()
    assert protocol["classes"] == 1203 and protocol["split"] == "synthetic"
    assert protocol["classes_evaluated"] == {"all": 11, "base": 11, "novel": 0}
    assert protocol["boxes"]["predicted"] == len(rows)
    assert 0 <= protocol["boxes"]["predicted_on_frames_without_ground_truth"] < len(rows)
    assert len(result["per_class"]) == 11 and result["summary"]["novel"] is None
    assert json.loads(json.dumps(result, allow_nan=False)) == result


FOREIGN = [
    ({"image_id": 10**9}, "its image is not in the annotations"),
    ({"video_id": 2}, "its image is of another video"),
    ({"category_id": 5000}, "category 5000, .* its category is not evaluated"),
]


@pytest.mark.parametrize(("change", "reason"), FOREIGN)
def test_foreign_predictions_are_refused(files, change, reason):
    gt, changed, _ = files
    with pytest.raises(InputError, match=rf"pred\.json: result 3 .*{reason}"):
        evaluate("tao-ov", gt, changed(**change))


@pytest.mark.parametrize(("change", "reason"), FOREIGN)
def test_lenient_drops_counts_and_lists_them(files, change, reason, tmp_path):
    gt, changed, rows = files
    found = evaluate("tao-ov", gt, changed(**change), lenient=True)
    (dropped,) = found["dropped"]
    assert dropped["count"] == 1 and dropped["examples"][0].startswith("result 3 ")
    assert found["protocol"]["boxes"]["predicted"] == len(rows) - 1
    assert dropped_rows(found)[1][0][1] == "1"
    rest = tmp_path / "rest.json"
    rest.write_text(json.dumps(rows[:3] + rows[4:]))
    assert found["summary"] == evaluate("tao-ov", gt, rest)["summary"]


def test_a_track_twice_in_one_image_is_refused(files):
    gt, changed, rows = files
    assert rows[3]["image_id"] == rows[2]["image_id"]
    with pytest.raises(InputError, match="result 3 .* its track already has a box in this image"):
        evaluate("tao-ov", gt, changed(track_id=rows[2]["track_id"]))


def test_the_mask_of_another_split_is_refused(files, tmp_path):
    gt, changed, rows = files
    classes = json.loads(gt.read_text())["categories"]
    present = {a["category_id"] for a in json.loads(gt.read_text())["annotations"]}
    mask = tmp_path / "mask.json"
    mask.write_text(json.dumps({"categories": [c for c in classes if c["id"] not in present][:9]}))
    with pytest.raises(InputError, match=r"11 of 11 classes .* class mask .* of another split"):
        evaluate("tao-ov", gt, changed(), classes=str(mask))
    mask.write_text(json.dumps({"categories": [c for c in classes if c["id"] in present]}))
    wrong = next(c["id"] for c in classes if c["id"] not in present)
    with pytest.raises(InputError, match="its category is not evaluated"):
        evaluate("tao-ov", gt, changed(category_id=wrong), classes=str(mask))


def test_another_split_is_refused(edge):
    with pytest.raises(InputError, match="the videos are of split 'synthetic', not 'test'"):
        evaluate("tao-ov", *edge, split="test")


def test_an_unknown_benchmark_is_refused(edge):
    with pytest.raises(InputError, match="no benchmark 'tao-ow'. Did you mean 'tao-ov'"):
        evaluate("tao-ow", *edge)


def test_nothing_predicted_and_nothing_annotated(edge, tmp_path):
    nothing = tmp_path / "nothing.json"
    nothing.write_text("[]")
    found = evaluate("tao-ov", edge[0], nothing)
    assert set(found["summary"]["all"].values()) == {0.0}
    content = json.loads(edge[0].read_text()) | {"annotations": []}
    empty = tmp_path / "gt.json"
    empty.write_text(json.dumps(content))
    found = evaluate("tao-ov", empty, edge[1])
    assert found["summary"] == {"all": None, "base": None, "novel": None}
    assert found["per_class"] == {}


def test_shards_give_the_digits_of_one_process(edge, report, tmp_path):
    together = evaluate("tao-ov", *edge, shards=2)
    assert together == report
    paths = []
    for shard in (2, 0, 1):
        paths.append(tmp_path / f"{shard}.json")
        write_report(evaluate("tao-ov", *edge, shards=3, shard=shard), paths[-1])
    assert join_shards([read_report(path) for path in paths], paths) == report


def test_one_shard_of_one_is_the_whole(edge, report):
    only = evaluate("tao-ov", *edge, shards=1, shard=0)
    assert join_shards([only], ["a"]) == report


def test_wrong_sets_of_shards_are_refused(edge, report):
    first, second = (evaluate("tao-ov", *edge, shards=2, shard=k) for k in (0, 1))
    for parts, reason in (
        ([first], "shard 1 is missing"),
        ([first, first], "2 of 2 shards were given; shard 1 is missing"),
        ([first, second, second], "a shard was given twice"),
        ([first, report], "b: this is a whole report"),
        ([first, {**second, "benchmark": "tao"}], "b: 'benchmark' differs"),
    ):
        with pytest.raises(InputError, match=reason):
            join_shards(parts, ["a", "b", "c"][: len(parts)])
    with pytest.raises(InputError, match="expected a number from 0 to 1"):
        evaluate("tao-ov", *edge, shards=2, shard=2)


def test_ranges_cover_all_videos_and_share_the_boxes():
    sizes = np.random.default_rng(0).integers(0, 100, 57)
    for shards in (1, 2, 5, 80):
        bounds = divide(sizes, shards)
        assert len(bounds) == shards and bounds[0][0] == 0 and bounds[-1][1] == 57
        assert all(a[1] == b[0] for a, b in zip(bounds, bounds[1:], strict=False))
        heaviest = max(sizes[first:last].sum() for first, last in bounds)
        assert heaviest <= sizes.sum() / shards + 2 * sizes.max()
    with pytest.raises(InputError, match="at least 1"):
        divide(sizes, 0)


def test_a_report_survives_its_file(report, tmp_path):
    path = tmp_path / "report.json"
    write_report(report, path)
    assert read_report(path) == report
    counts = statistics_of(report, path)["teta"]
    assert counts.columns["assoc"].dtype == np.float64 and len(counts.videos) == 12


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: r.pop("protocol"), "expected a report"),
        (lambda r: r.update(format=99), "report format 99"),
        (lambda r: r.update(benchmark="x"), "no benchmark 'x'"),
    ],
)
def test_a_file_that_is_not_a_report_is_refused(report, tmp_path, change, reason):
    broken = json.loads(json.dumps(report))
    change(broken)
    path = tmp_path / "report.json"
    path.write_text(json.dumps(broken))
    with pytest.raises(InputError, match=reason):
        read_report(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.pop("arrays"),
        lambda s: s["arrays"]["loc_tp"].update(zlib="AAAA"),
        lambda s: s["arrays"]["loc_tp"].update(shape=[10**9, 20]),
        lambda s: s["arrays"]["loc_tp"].update(dtype="O"),
        lambda s: s["arrays"]["label"].update(shape=[3]),
        lambda s: s.update(videos=["one"]),
    ],
)
def test_damaged_counts_are_refused(report, change):
    broken = json.loads(json.dumps(report))
    change(broken["statistics"]["teta"])
    with pytest.raises(InputError, match="b: the counts of this report are damaged"):
        compare([report, broken], ["a", "b"], resamples=2)


def test_oracles_reach_their_limit(edge):
    found = evaluate("tao-ov", *edge, oracle=True)
    rows = {row["name"]: row["summary"]["base"] for row in found["oracle"]["rows"]}
    tracked = rows["as tracked"]
    assert tracked == found["summary"]["base"]
    assert set(rows["perfect boxes, labels, links"].values()) == {100.0}
    assert rows["perfect boxes"]["LocA"] > 99 > tracked["LocA"]
    assert rows["perfect labels"]["LocA"] == tracked["LocA"]
    assert rows["perfect labels"]["AssocA"] == tracked["AssocA"]
    assert rows["perfect labels"]["ClsA"] > tracked["ClsA"] + 20
    assert rows["perfect links"]["AssocA"] > tracked["AssocA"] + 10
    assert oracle_rows(found)[0][:3] == ["predictions", "classes", "TETA"]


def test_comparison_sees_a_real_difference_and_none_with_itself(edge, report, tmp_path):
    rows = json.loads(edge[1].read_text())
    for row in rows:
        row["track_id"] += 10**6 * (row["image_id"] % 2)  # every other frame in another track
    worse = tmp_path / "worse.json"
    worse.write_text(json.dumps(rows))
    broken = evaluate("tao-ov", edge[0], worse)
    result = compare([report, broken, report], ["a", "b", "same"], resamples=200)
    _, b, same = result["groups"]["all"]["AssocA"]
    assert b["high"] < 0 and b["low"] < b["difference"] < b["high"] and b["p"] < 0.05
    assert (same["difference"], same["low"], same["high"], same["p"]) == (0, 0, 0, 1)
    again = compare([report, broken, report], ["a", "b", "same"], resamples=200)
    assert again == result
    header, table = comparison_rows(result)
    assert header == ["report", "classes", "metric", "value", "difference", "95 %", "p"]
    assert len(table) == 3 * 4 * 3
    first, second, _ = (row for row in table if row[1:3] == ["all", "AssocA"])
    assert first == ["a", "all", "AssocA", f"{report['summary']['all']['AssocA']:.3f}", "", "", ""]
    assert second[4:] == [
        f"{b['difference']:+.3f}",
        f"{b['low']:+.3f} .. {b['high']:+.3f}",
        f"{b['p']:.3f}",
    ]


def test_only_like_is_compared_with_like(report, files):
    other = evaluate("tao-ov", files[0], files[1]())
    with pytest.raises(InputError, match="b and a differ in 'annotations_sha256'"):
        compare([report, other], ["a", "b"])
    with pytest.raises(InputError, match="b is a result of tao, a of tao-ov"):
        compare([report, {**report, "benchmark": "tao"}], ["a", "b"])
    with pytest.raises(InputError, match="'a' is given twice"):
        compare([report, report], ["a", "a"])
    with pytest.raises(InputError, match="two reports or more"):
        compare([report], ["a"])


def test_tables(recorded):
    result = evaluate("tao-ov", recorded("tao_small_gt"), recorded("tao_small_pred"))
    header, rows = summary_rows(result)
    assert header[:3] == ["classes", "n", "TETA"] and rows[0][:3] == ["all", "11", "44.032"]
    assert rows[2] == ["novel", "0"] + ["-"] * 10
    lines = text_table(header, rows).splitlines()
    assert len(lines) == 5 and len({len(line) for line in lines}) == 1
    lines = markdown_table(header, rows).splitlines()
    assert lines[2].startswith("| all     | 11 | 44.032 |") and lines[1].count(":") == 11
    assert lines[1].startswith("| ------- | -: | -----: |")


ALTERED = {
    "no benchmark": lambda r: r.pop("benchmark"),
    "headline text": lambda r: r.update(headline="TETA"),
    "headline empty": lambda r: r.update(headline=[]),
    "headline numbers": lambda r: r.update(headline=[1]),
    "summary list": lambda r: r.update(summary=[]),
    "summary text": lambda r: r["summary"].update(all="x"),
    "scores nested": lambda r: r["summary"]["all"].update(TETA={"a": 1}),
    "class list": lambda r: r.update(per_class=[]),
    "video number": lambda r: r["per_video"].update(v=3),
    "protocol text": lambda r: r.update(protocol="x"),
    "counts of classes": lambda r: r["protocol"].update(classes_evaluated={"all": "<b>"}),
    "dropped object": lambda r: r.update(dropped={"a": 1}),
    "dropped entry": lambda r: r.update(dropped=[{"file": "a"}]),
    "statistics list": lambda r: r.update(statistics=[]),
    "family unknown": lambda r: r["statistics"]["teta"].update(family=3),
    "totals": lambda r: r.update(totals=3),
    "oracle": lambda r: r.update(oracle={"rows": [{"name": 1}]}),
    "shard": lambda r: r.update(shard={"index": "a", "of": 2}),
    "format": lambda r: r.update(format="1"),
}


@pytest.mark.parametrize("change", ALTERED.values(), ids=ALTERED)
def test_an_altered_report_is_a_sentence(report, change, tmp_path):
    altered = json.loads(json.dumps(report))
    change(altered)
    path = tmp_path / "altered.json"
    path.write_text(json.dumps(altered))
    with pytest.raises(InputError, match=r"altered\.json: expected a report") as caught:
        read_report(path)
    assert "\n" not in str(caught.value)


def test_the_sentence_names_the_place(report, tmp_path):
    path = tmp_path / "altered.json"
    path.write_text(json.dumps({**report, "headline": [1]}))
    with pytest.raises(InputError, match=r"Expected `str`, got `int` - at `\$\.headline\[0\]`"):
        read_report(path)
    for names in ("videos", "classes"):
        broken = json.loads(json.dumps(report))
        broken["statistics"]["teta"][names] = broken["statistics"]["teta"][names][:1]
        with pytest.raises(InputError, match=rf"damaged \(a row outside of {names}\)"):
            statistics_of(broken, "broken")


def test_counts_that_would_fill_the_memory_are_not_unpacked(report):
    bomb = json.loads(json.dumps(report))
    for array in bomb["statistics"]["teta"]["arrays"].values():
        array.update(shape=[1 << 30], zlib=array["zlib"])
    with pytest.raises(InputError, match="numbers; they are not unpacked"):
        statistics_of(bomb, "bomb")


def test_a_family_that_lost_a_column_is_a_sentence(report):
    for column in report["statistics"]["teta"]["arrays"]:
        broken = json.loads(json.dumps(report))
        broken["statistics"]["teta"]["arrays"].pop(column)
        with pytest.raises(InputError, match="the counts of this report are damaged"):
            statistics_of(broken, "broken")
    broken = json.loads(json.dumps(report))
    broken["statistics"]["<b>"] = broken["statistics"].pop("teta")
    with pytest.raises(InputError):
        statistics_of(broken, "broken")
