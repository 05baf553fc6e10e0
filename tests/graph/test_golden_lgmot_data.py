"""Folders of sequences, against the tables, crops and windows that the original made of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from tests.graph.recordings import close
from tests.recorded import Recorded
from vovtrack.errors import InputError
from vovtrack.formats.mot.videos import list_sequences
from vovtrack.graph.crops import cut
from vovtrack.graph.descriptions import describe, read_objects, read_scene
from vovtrack.graph.detections import Detections, centred, feet
from vovtrack.graph.tables import (
    Preparation,
    Table,
    assign_identities,
    read_detections,
    read_truth,
)
from vovtrack.graph.windows import evaluation_windows, training_windows

CONFIDENT = {"byte065": 0.65}
CLAMPED_TRUTH = ("tracktor_prepr_det", "aplift")
DANCERS = "DANCETRACK"
BOX = ("bb_left", "bb_top", "bb_width", "bb_height")


class Case:
    """A sequence and what was recorded of it."""

    def __init__(self, recorded: Recorded, name: str, settings: dict[str, Any]) -> None:
        self.arrays, self.name, self.settings = recorded.arrays("data.npz"), name, settings
        place = (settings[key] for key in ("dataset", "split", "sequence"))
        self.folder: Path = recorded.path("folder").joinpath(*place)
        self.dancers = settings["dataset"] == DANCERS

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[f"{self.name}/{name}"]

    def column(self, *names: str, table: str = "table") -> np.ndarray:
        named = self.settings[f"{table.removesuffix('_table')}_columns"]
        columns = [named.index(name) for name in names]
        return self[table][:, columns]

    def read(self) -> Table:
        if self.settings["seq_info"]["is_gt"]:
            return read_truth(self.folder, alone=True)
        file = self.settings["det_file"]
        preparation = Preparation(
            least_confidence=CONFIDENT.get(file, 0.0),
            keep_unconfident=not self.dancers,
            clamp=not self.dancers,
            clamp_truth=file in CLAMPED_TRUTH,
        )
        return read_detections(self.folder, file, preparation)

    def first_window(self) -> np.ndarray:
        _, first, last, _ = self.settings["windows"][0]
        frame = self.column("frame")[:, 0]
        return (frame >= first) & (frame <= last)


@pytest.fixture(scope="module")
def cases(recorded) -> list[Case]:
    sequences = recorded.meta("data.npz")["sequences"]
    assert sequences
    return [Case(recorded, name, settings) for name, settings in sequences.items()]


def ordered(rows: np.ndarray) -> np.ndarray:
    """By frame and box: the original leaves open in which order rows of a frame come."""
    return rows[np.lexsort(rows.T[::-1])]


def test_tables(cases):
    for case in cases:
        found = case.read()
        ours = np.column_stack([found.frame, found.box, found.confidence, found.identity])
        theirs = case.column("frame", *BOX, "conf", "id")
        np.testing.assert_allclose(ordered(ours), ordered(theirs), rtol=0, atol=1e-9)
        if not case.settings["seq_info"]["is_gt"]:
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


def test_ground_truth(cases):
    with_truth = [case for case in cases if f"{case.name}/gt_table" in case.arrays]
    assert with_truth
    for case in with_truth:
        found = read_truth(case.folder)
        ours = np.column_stack([found.frame, found.identity, found.confidence])
        theirs = case.column("frame", "id", "conf", table="gt_table")
        assert (ordered(ours) == ordered(theirs)).all()


def pictures_of(case: Case) -> Iterator[np.ndarray]:
    """The crops of a table, one after another."""
    info = list_sequences(case.folder.parent, case.folder.name)[case.folder.name]
    files = sorted((case.folder / info.pictures).glob(f"*{info.suffix}"))
    for frame, box in zip(case.column("frame")[:, 0], case.column(*BOX), strict=True):
        yield cut(np.asarray(Image.open(files[int(frame) - 1])), box)


def test_crops(cases):
    for case in cases:
        theirs = case["crops"]
        for crop, recorded, pooled in zip(
            pictures_of(case), theirs, case["embeddings"], strict=True
        ):
            height, width = recorded.shape[1:]
            picture = Image.fromarray(crop).resize((width, height), Image.Resampling.BICUBIC)
            ours = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float()
            assert (ours - torch.from_numpy(recorded)).abs().max() <= 3
            colours = F.adaptive_avg_pool2d(ours, 2).flatten() / 255
            np.testing.assert_allclose(colours, pooled[1:], atol=3 / 255)


def test_first_windows(cases):
    for case in cases:
        inside = case.first_window()
        frame, box = case.column("frame")[inside, 0], case.column(*BOX)[inside]
        info = case.settings["seq_info"]
        found = Detections.of(
            frame,
            box,
            case["embeddings"][inside, 1:],
            info["fps"],
            case.column("id")[inside, 0].astype(np.int64),
        )
        assert (found.frame.numpy() == case["graph/x_frame"][:, 0]).all()
        assert (found.identity.numpy() == case["graph/y_id"][:, 0]).all()
        assert (found.fps == int(case["graph/fps"])).all()
        close(found.box, case["graph/x_bbox"])
        close(found.embedding, case["graph/x_reid"])
        close(feet(found.box), case["graph/x_feet"])
        close(centred(found.box)[:, :2], case["graph/x_center"])


def test_windows(cases):
    for case in cases:
        settings, frames = case.settings, case.column("frame")[:, 0]
        length = settings["frames_per_graph"]
        found = training_windows(frames, length, settings["train_start_distance"])
        assert [list(x) for x in found] == [window[1:3] for window in settings["windows"]]
        if "evaluation_windows" in settings:
            found = evaluation_windows(frames, length)
            assert [list(x) for x in found] == settings["evaluation_windows"]


def test_descriptions(cases):
    compared = 0
    for case in cases:
        if not (case.settings["language"] and case.settings["mode"] == "train"):
            continue
        identity = torch.from_numpy(case["graph/y_id"][:, 0])
        found = describe(identity, read_objects(case.folder), -1 if case.dancers else 0)
        close(found, case["graph/y_inst"])
        assert read_scene(case.folder).shape == (1, found.shape[1])
        compared += 1
    assert compared


def test_an_object_that_is_not_described():
    with pytest.raises(InputError, match="Object 3 has no description"):
        describe(torch.tensor([0, 3]), torch.zeros(3, 8))
    assert describe(torch.tensor([], dtype=torch.long), torch.zeros(3, 8)).shape == (0, 8)


def test_more_pairs_before_better_ones():
    """The first detection could take either object, the second only the one it overlaps best."""
    truth = Table(
        np.array([1, 1]),
        np.array([[0, 0, 99, 99], [30, 0, 99, 99]], dtype=float),
        np.ones(2),
        np.array([5, 9]),
    )
    box = np.array([[1, 0, 99, 99], [-30, 0, 99, 99]], dtype=float)
    found = assign_identities(np.array([1, 1]), box, truth)
    assert found.tolist() == [9, 5]
    assert assign_identities(np.array([2]), box[:1], truth).tolist() == [-1]


def test_faults_of_files(tmp_path):
    folder = tmp_path / "clip"
    (folder / "det").mkdir(parents=True)
    (folder / "seqinfo.ini").write_text(
        "[Sequence]\nname=clip\nimDir=img1\nframeRate=25\nseqLength=3\nimWidth=100\n"
        "imHeight=80\nimExt=.jpg\n"
    )
    file = folder / "det/some.txt"
    file.write_text("2,-1,20,20,10,10,0.9\n1,-1,5,5,10,10,0.2\n")
    found = read_detections(folder, "some", Preparation())
    assert found.frame.tolist() == [1, 2] and (found.identity == -1).all()
    assert len(read_detections(folder, "some", Preparation(0.95))) == 0
    assert len(read_detections(folder, "some", Preparation(0.95, keep_unconfident=True))) == 2
    file.write_text("1,-1,200,5,10,10,0.9\n")
    with pytest.raises(InputError, match="outside of the 100x80 frame"):
        read_detections(folder, "some", Preparation())
    clamped = read_detections(folder, "some", Preparation(clamp=True))
    assert clamped.box.tolist() == [[98, 4, 2, 10]]
    file.write_text("1,-1,nan,5,10,10,0.9\n")
    with pytest.raises(InputError, match="not finite"):
        read_detections(folder, "some", Preparation())
    (folder / "gt").mkdir()
    (folder / "gt/gt.txt").write_text("1,4,-39,1,70,40,1,1,1\n")
    file.write_text("1,-1,1,1,30,40,0.9\n")
    for clamped_truth, identity in ((False, -1), (True, 4)):
        found = read_detections(folder, "some", Preparation(clamp_truth=clamped_truth))
        assert found.identity.tolist() == [identity]
    with pytest.raises(InputError, match="prompt_embedding_all"):
        read_scene(folder)
    path = folder / "gt/instance_language_prompts/seq_inst_prompts_embeddings_128.pt"
    path.parent.mkdir()
    torch.save({"a": 1}, path)
    with pytest.raises(InputError, match="descriptions of objects"):
        read_objects(folder)
