"""Files under 1 MB whose reading once took minutes: work grows with the size of a file alone."""

from __future__ import annotations

import io
import json
import signal
import zipfile

import pytest
from reader_seeds import BOX, TRUTH
from readers import READERS, fault

PROCESSOR_SECONDS = 15
"""Each takes less than one; before, each took more than 60."""


@pytest.fixture(autouse=True)
def bounded():
    """Raises in a test that computes for too long, however busy the machine is."""

    def stop(*_):
        raise TimeoutError(f"more than {PROCESSOR_SECONDS} seconds of processor time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, PROCESSOR_SECONDS)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


def archive(names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        for name in names:
            target.writestr(name, "")
    return file.getvalue()


def federated(images):
    """A long list of one video, which all its images share."""
    video = {**TRUTH["videos"][0], "neg_category_ids": [1] * 160_000}
    rows = [dict(id=i, video_id=1, frame_index=i, width=9, height=9) for i in range(images)]
    changed = dict(videos=[video], images=rows, annotations=[BOX])
    return json.dumps({**TRUTH, **changed}, separators=(",", ":")).encode()


def same_name():
    names = [*(f"{i:x}" for i in range(28_000)), "twice", "twice"]
    categories = [dict(id=i, name=name) for i, name in enumerate(names, 1)]
    return json.dumps({**TRUTH, "categories": categories}, separators=(",", ":")).encode()


CASES = {
    "mot_map": lambda: "\n".join(f"{i:x}" for i in range(150_000)).encode(),
    "zip": lambda: archive(f"{i:x}" for i in range(9000)),
    "lvis": lambda: federated(8000),
    "tao_published": lambda: federated(6000),
    "lvis ": same_name,
}


@pytest.mark.parametrize("name", CASES)
def test_work_is_bounded(name, tmp_path):
    data = CASES[name]()
    assert len(data) < 1_000_000
    error = fault(READERS[name.strip()], data, tmp_path)
    if error is not None:
        raise error
