"""What a test of a row scored, by world.

A world is a sample of images or videos that shares none with another one: the three validation
sets of videos, or a third of what there is in one file only (the stills, the shifted videos).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from vovtrack.errors import InputError
from vovtrack.evaluation.benchmarks import find_family
from vovtrack.evaluation.reports.report import read_report, statistics_of
from vovtrack.evaluation.scores.lvis_ap import lvis_scores
from vovtrack.files.archives import read_json
from vovtrack.files.atomic import atomic_write
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.lvis import read_boxes, read_ground_truth
from vovtrack.formats.tao.annotations import read_annotations
from vovtrack.synthetic.states import MEASURES, states_of

Scores = dict[str, dict[str, float]]
"""{metric: {world: points}}"""
WORLDS = 3
STILLS = {"AP": "all", "base AP": "base", "novel AP": "novel"}
VIDEOS = ("TETA", "LocA", "AssocA", "ClsA")
SETS = ("validation", "shifted")
METRICS = {
    "stills": (*STILLS, "degraded AP"),
    "videos": tuple(f"{metric} {which}" for which in SETS for metric in VIDEOS),
}


def clear_objects(ann_file: Path) -> set[int]:
    """Ids of the annotations of a rendered world whose object is seen clearly.

    Raises:
        InputError: The file does not say how objects are seen.
    """
    rows = read_json(ann_file)["annotations"]
    if not all(key in row for row in rows for key in MEASURES):
        raise InputError(
            f"{ann_file}: the annotations lack {', '.join(MEASURES)}, so degraded objects cannot "
            "be told apart. Render the world again with 'vovtrack synth'."
        )
    return {row["id"] for row in rows if states_of(**{k: row[k] for k in MEASURES}) == ("clear",)}


def still_scores(ann_file: Path, results: Path) -> Scores:
    """Average precision of detections in each third of the stills.

    "degraded AP" is that of objects that are occluded, truncated, blurry or dark. The others are
    still there, as regions to be ignored: a detection of one is neither right nor wrong.

    Args:
        ann_file: LVIS-style annotations of a rendered world.
        results: Detections as a test writes them.

    Raises:
        InputError: Unusable files.
    """
    content = read_ground_truth(ann_file)
    detections = read_boxes(results, content, InputFaults(lenient=False))
    clear = clear_objects(ann_file)
    scores: Scores = {metric: {} for metric in METRICS["stills"]}
    for k in range(WORLDS):
        images = content["images"][k::WORLDS]
        ids = [image["id"] for image in images]
        objects = [a for a in content["annotations"] if a["image_id"] in set(ids)]
        ignoring = [a | {"iscrowd": int(a["id"] in clear)} for a in objects]
        found = detections.select(np.isin(detections.image_ids, ids))
        part = content | {"images": images}
        summary = lvis_scores(part | {"annotations": objects}, found).summary
        degraded = lvis_scores(part | {"annotations": ignoring}, found).summary
        for metric, group in STILLS.items():
            scores[metric][f"stills {k + 1}"] = _value(summary[group], "AP")
        scores["degraded AP"][f"stills {k + 1}"] = _value(degraded["all"], "AP")
    return scores


def evaluation_videos(world: Path) -> dict[str, dict[str, list[str]]]:
    """Names of the videos of each world, by set: {"validation": {world: names}, "shifted": ...}."""
    found = {}
    for which in SETS:
        files = sorted((world / "tao/annotations").glob(f"{which}*.json"))
        names = {path.stem: [v["name"] for v in read_json(path)["videos"]] for path in files}
        if len(files) == 1:
            ((stem, videos),) = names.items()
            names = {f"{stem} {k + 1}": videos[k::WORLDS] for k in range(min(WORLDS, len(videos)))}
        found[which] = names
    return found


def join_videos(world: Path, out: Path) -> None:
    """Write the annotations of all evaluation videos into one file, so that one test sees all."""
    joined: dict[str, Any] = {"videos": [], "images": [], "tracks": [], "annotations": []}
    references = {
        "videos": {"id": "videos"},
        "images": {"id": "images", "video_id": "videos"},
        "tracks": {"id": "tracks", "video_id": "videos"},
        "annotations": {
            "id": "annotations",
            "image_id": "images",
            "video_id": "videos",
            "track_id": "tracks",
            "instance_id": "tracks",
        },
    }
    for which in SETS:
        for path in sorted((world / "tao/annotations").glob(f"{which}*.json")):
            content = read_annotations(path)
            first = {
                table: max((r["id"] for r in joined[table]), default=0) for table in references
            }
            for table, keys in references.items():
                joined[table] += [
                    row | {key: row[key] + first[to] for key, to in keys.items() if key in row}
                    for row in content[table]
                ]
            joined["categories"] = content["categories"]
    with atomic_write(out) as file:
        json.dump(joined, file)


def video_scores(report: Path, worlds: dict[str, dict[str, list[str]]]) -> Scores:
    """TETA of tracks in each world, from the counts by video of one report.

    Args:
        report: Of the benchmark ``tao-ov``, over all videos.
        worlds: What `evaluation_videos` returned.
    """
    counts = statistics_of(read_report(report), report)["teta"]
    family = find_family("teta")
    scores: Scores = {metric: {} for metric in METRICS["videos"]}
    for which, parts in worlds.items():
        for part, names in parts.items():
            weights = np.isin(counts.videos, names).astype(float)
            summary = family.summary(counts, weights)["all"]
            for metric in VIDEOS:
                scores[f"{metric} {which}"][part] = _value(summary, metric)
    return scores


def _value(group: dict[str, float] | None, metric: str) -> float:
    return float("nan") if group is None or group[metric] is None else group[metric]
