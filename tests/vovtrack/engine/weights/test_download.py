"""Fetching weights from a hub on this machine that breaks off, lies, stalls and refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from hub_server import FakeHub
from huggingface_hub import constants

from vovtrack.cli.main import main
from vovtrack.engine.weights import download
from vovtrack.engine.weights.download import (
    LOCK,
    elsewhere,
    fetch,
    how_to_get,
    of_others,
    published,
    resolve_names,
)
from vovtrack.engine.weights.hub import Hub
from vovtrack.errors import InputError

KEY = "our_trained_models/ovtrack_pair.pth"
REMOTE = f"saved_models/{KEY}"


@pytest.fixture
def content() -> bytes:
    return np.random.default_rng(0).bytes(400_000)


@pytest.fixture
def server(content, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 << 14)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    with FakeHub(files={REMOTE: content, "README.md": b"text"}) as hub:
        yield hub


def get(server, folder, names=("ovtrack_pair",), **options):
    hub = Hub(server.repo, endpoint=server.endpoint, tries=3, pause=0.0)
    return fetch(names, folder, options.pop("hub", hub), **options)


def files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return sorted(str(path.relative_to(folder)) for path in found)


def test_a_file_arrives_verified_and_recorded(server, content, tmp_path):
    told = []
    (path,) = get(server, tmp_path, notice=told.append)
    assert path == tmp_path / KEY and path.read_bytes() == content
    record = json.loads((tmp_path / LOCK).read_text())[KEY]
    assert record["sha256"] == server.sha256(REMOTE) and record["size"] == len(content)
    assert files(tmp_path) == [LOCK, KEY]
    served = server.served
    get(server, tmp_path, notice=told.append)
    assert told[0].endswith("fetched, verified") and told[1].endswith("already there, verified")
    assert server.served == served


def test_interrupted_at_ten_points_it_resumes_where_it_stopped(server, content, tmp_path):
    points = np.linspace(20_000, len(content) - 1000, 10).astype(int)
    server.cuts = np.diff(points, prepend=0).tolist()
    (path,) = get(server, tmp_path)
    assert path.read_bytes() == content and not server.cuts
    assert len(server.ranges) >= 9
    assert server.served < len(content) + 11 * (1 << 14) + 20_000


def test_a_killed_download_resumes(content, tmp_path):
    big = content * 64  # 25 MB; the hub's client keeps pieces of 10 MB
    with FakeHub(files={REMOTE: big}, cuts=[15 << 20], stall=5.0) as hub:
        words = ["download", "ovtrack_pair", "--to", str(tmp_path), "--repo", hub.repo]
        command = [sys.executable, "-m", "vovtrack", *words, "--endpoint", hub.endpoint]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.time() + 60
        while hub.served < 15 << 20 and time.time() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / KEY).exists()
        before = hub.served
        assert subprocess.run(command, capture_output=True).returncode == 0
        assert (tmp_path / KEY).read_bytes() == big
        assert hub.served - before <= len(big) - (10 << 20) and hub.ranges


def test_two_at_once(content, tmp_path):
    with FakeHub(files={REMOTE: content}) as hub:
        words = ["download", "ovtrack_pair", "--to", str(tmp_path), "--repo", hub.repo]
        command = [sys.executable, "-m", "vovtrack", *words, "--endpoint", hub.endpoint]
        both = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(2)]
        assert [process.wait() for process in both] == [0, 0]
    assert (tmp_path / KEY).read_bytes() == content
    assert files(tmp_path) == [LOCK, KEY]


def test_wrong_content_never_gets_the_name(server, content, tmp_path):
    server.stated_sha256[REMOTE] = "0" * 64
    with pytest.raises(InputError, match="got content .* but the hub states 000000000000"):
        get(server, tmp_path)
    assert not (tmp_path / KEY).exists()


def test_wrong_size_never_gets_the_name(server, content, tmp_path):
    server.stated_size[REMOTE] = len(content) + 5
    with pytest.raises(InputError, match="transfer failed|another size"):
        get(server, tmp_path)
    assert not (tmp_path / KEY).exists()


def test_a_busy_hub_is_asked_again(server, content, tmp_path):
    server.statuses = [(429, {"Retry-After": "0"}), (503, {})]
    (path,) = get(server, tmp_path)
    assert path.read_bytes() == content
    server.statuses = [(500, {})] * 60
    with pytest.raises(InputError, match="the hub answered 500, 3 times. Run the command again"):
        get(server, tmp_path, force=True)


def test_a_stalled_transfer_is_tried_again(content, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    with FakeHub(files={REMOTE: content}, drip=0.6) as hub:
        (path,) = get(hub, tmp_path)
    assert path.read_bytes() == content


REFUSALS = [
    (dict(repo="user/none"), "There is no repository 'user/none'"),
    (dict(revision="v9"), "'user/weights' has no revision 'v9'"),
]


@pytest.mark.parametrize(("changes", "reason"), REFUSALS)
def test_what_is_not_there_is_named(server, tmp_path, changes, reason):
    hub = Hub(
        **{"repo": server.repo, "endpoint": server.endpoint, "tries": 2, "pause": 0, **changes}
    )
    with pytest.raises(InputError, match=reason):
        get(server, tmp_path, hub=hub)


def test_a_repository_without_the_file_is_listed(server, tmp_path):
    with pytest.raises(InputError, match="does not hold 'detpro_stage1.pth'; it holds: README.md"):
        get(server, tmp_path, names=["detpro_stage1"])
    server.files["old/ovtrack_pair.pth"] = server.files.pop(REMOTE)
    server.files["new/ovtrack_pair.pth"] = b"other"
    with pytest.raises(InputError, match="holds more than one 'ovtrack_pair.pth'"):
        get(server, tmp_path)


def test_no_answer_at_all(tmp_path):
    hub = Hub("user/weights", endpoint="http://127.0.0.1:9", tries=2, pause=0)
    with pytest.raises(InputError, match="Cannot get the list of files .* 2 times"):
        fetch(["ovtrack_pair"], tmp_path, hub)


def test_unknown_names():
    assert resolve_names([]) == list(published())
    assert resolve_names(["ovtrack_pair.pth", KEY]) == [KEY]
    with pytest.raises(InputError, match="no weights 'ovtrack_pear'. Did you mean 'ovtrack_pair"):
        resolve_names(["ovtrack_pear"])


def test_a_changed_file_is_noticed(server, content, tmp_path):
    (path,) = get(server, tmp_path)
    path.write_bytes(content[:-1] + b"x")
    with pytest.raises(InputError, match="is not what was fetched .* --force"):
        get(server, tmp_path)
    get(server, tmp_path, force=True)
    assert path.read_bytes() == content
    server.files[REMOTE] = content[::-1]
    path.unlink()
    with pytest.raises(InputError, match="differs from the recorded one"):
        get(server, tmp_path)
    (tmp_path / LOCK).write_text("[]")
    with pytest.raises(InputError, match="not a record of downloads"):
        get(server, tmp_path)


def test_carried_over_by_hand(content, tmp_path):
    source, folder = tmp_path / "stick/deep", tmp_path / "saved"
    source.mkdir(parents=True)
    (source / "ovtrack_pair.pth").write_bytes(content)
    told = []
    (path,) = fetch(["ovtrack_pair"], folder, source=tmp_path / "stick", notice=told.append)
    assert path.read_bytes() == content and files(folder) == [LOCK, KEY]
    assert told[0].endswith("not verified: no hash is known")
    fetch(["ovtrack_pair"], folder, offline=True)
    with pytest.raises(InputError, match="holds no file 'detpro_stage1.pth'"):
        fetch(["detpro_stage1"], folder, source=tmp_path / "stick")
    (tmp_path / "stick/ovtrack_pair.pth").write_bytes(b"other")
    path.unlink()
    with pytest.raises(InputError, match="holds several different files"):
        fetch(["ovtrack_pair"], folder, source=tmp_path / "stick")
    (source / "ovtrack_pair.pth").write_bytes(b"other")
    with pytest.raises(InputError, match="differs from the recorded one"):
        fetch(["ovtrack_pair"], folder, source=tmp_path / "stick")
    with pytest.raises(InputError, match="--offline forbids"):
        fetch(["ovtrack_pair"], folder, offline=True)


def test_no_room(server, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(1, 1, 10)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(InputError, match="needs 0 MB, but only 0 MB are free"):
        get(server, tmp_path)


def test_the_command(server, content, tmp_path, capsys):
    assert main(["download", "--list", "--to", str(tmp_path)]) == 0
    listing = capsys.readouterr().out
    assert all(key in listing for key in (*published(), *elsewhere()))
    words = ["--to", str(tmp_path), "--repo", server.repo, "--endpoint", server.endpoint]
    assert main(["download", "ovtrack_pair", *words]) == 0
    printed = capsys.readouterr()
    assert printed.out.strip() == str(tmp_path / KEY) and "fetched, verified" in printed.err
    assert main(["download", *words]) == 2
    assert "--list shows them" in capsys.readouterr().err
    assert main(["download", "ovtrack_pear", *words]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_weights_that_others_publish(repository, tmp_path, capsys):
    """Asked for, or missing when training is to start from them."""
    how = "vovtrack convert FILE saved_models/pretrained_models/soco_r50_fpn.safetensors"
    assert main(["download", "soco_r50_fpn", "--to", str(tmp_path)]) == 2
    assert how in capsys.readouterr().err
    assert main(["train", "configs/lvis/detpro_ens_20e.py", "--work-dir", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "soco_r50_fpn.safetensors', which training starts from" in told and how in told
    assert (
        how_to_get("elsewhere/ovtrack_pair.pth") == "fetch it by 'vovtrack download ovtrack_pair'"
    )
    assert how_to_get("x.pth") == "correct its path"


def test_weights_of_others_come_from_their_repository(content, tmp_path, capsys):
    (key, (repo, _)), *_ = of_others().items()
    with FakeHub(repo=repo, files={Path(key).name: content}) as server:
        words = ["download", Path(key).stem, "--to", str(tmp_path), "--endpoint", server.endpoint]
        assert main(words) == 0
        assert (tmp_path / key).read_bytes() == content
        capsys.readouterr()
        assert main(["download", "--list", "--to", str(tmp_path)]) == 0
        listed = [line for line in capsys.readouterr().out.splitlines() if key in line]
        assert "there" in listed[0].split() and repo in listed[0]
        assert main(["download", "ovtrack_pair", *words[2:]]) == 2
        assert key not in resolve_names([])


def test_a_mirror_in_the_environment_is_used(server, content, tmp_path):
    environment = {**os.environ, "HF_ENDPOINT": server.endpoint}
    words = ["download", "ovtrack_pair", "--to", str(tmp_path), "--repo", server.repo]
    done = subprocess.run(
        [sys.executable, "-m", "vovtrack", *words], env=environment, capture_output=True
    )
    assert done.returncode == 0 and (tmp_path / KEY).read_bytes() == content


def changed(server, **entry) -> bytes:
    """The hub's true list with other values in the entry of the weights."""
    info = server.info()
    item = next(i for i in info["siblings"] if i["rfilename"] == REMOTE)
    item.update(entry)
    return json.dumps(info).encode()


HASHES = ["../../../x", "/tmp/x", "0" * 63, "0" * 64 + "/x", "A" * 64, 7, [], {"a": 1}, True, ""]


@pytest.mark.parametrize("digest", HASHES)
def test_a_hash_that_is_a_path_reaches_no_file(server, tmp_path, digest):
    folder = tmp_path / "a/b/c/saved"
    folder.mkdir(parents=True)
    outside = tmp_path / "a/b/x.part"
    outside.write_bytes(b"mine")
    server.listing = changed(server, lfs=dict(sha256=digest, size=1, pointerSize=1))
    with pytest.raises(InputError, match="not a list of files: 'sha256'|states no hash"):
        get(server, folder)
    assert outside.read_bytes() == b"mine" and files(tmp_path) == ["a/b/x.part"]


LISTINGS = {
    "empty": b"",
    "text": b"hello",
    "object": b"{}",
    "list": b"[]",
    "number": b"7",
    "deep": b"[" * 200_000 + b"]" * 200_000,
    "commit": b'{"sha": "../../x", "siblings": []}',
    "commit_number": b'{"sha": 7, "siblings": []}',
    "no_siblings": json.dumps(dict(sha="0" * 40)).encode(),
    "siblings_object": json.dumps(dict(sha="0" * 40, siblings={})).encode(),
    "siblings_numbers": json.dumps(dict(sha="0" * 40, siblings=[1, None])).encode(),
    "name_number": json.dumps(dict(sha="0" * 40, siblings=[dict(rfilename=3)])).encode(),
    "name_escape": json.dumps(dict(sha="0" * 40, siblings=[dict(rfilename="\x1b[2J")])).encode(),
    "name_long": json.dumps(dict(sha="0" * 40, siblings=[dict(rfilename="x" * 501)])).encode(),
}


@pytest.mark.parametrize("name", LISTINGS)
def test_a_malformed_listing_is_a_sentence(server, tmp_path, name):
    server.listing = LISTINGS[name]
    with pytest.raises(InputError) as caught:
        get(server, tmp_path)
    assert server.endpoint in str(caught.value) and "\n" not in str(caught.value)
    assert files(tmp_path) == []


@pytest.mark.parametrize("size", [-1, "12", 1.5, True, [], {}])
def test_a_size_that_is_not_a_number_is_a_sentence(server, tmp_path, size):
    server.listing = changed(server, size=size)
    with pytest.raises(InputError, match="'size' of saved_models"):
        get(server, tmp_path)


def test_an_endless_listing_is_cut(server, tmp_path, monkeypatch):
    monkeypatch.setattr("vovtrack.engine.weights.hub.MAX_LISTING", 1000)
    server.listing = b" " * 2000
    with pytest.raises(InputError, match="more than the expected 1000 bytes of the list of files"):
        get(server, tmp_path)


def test_without_a_hash_only_on_request_and_never_called_verified(server, content, tmp_path):
    server.listing = changed(server, lfs=None)
    with pytest.raises(InputError, match="states no hash .* --allow-unverified"):
        get(server, tmp_path)
    assert files(tmp_path) == []
    told = []
    get(server, tmp_path, allow_unverified=True, notice=told.append)
    get(server, tmp_path, allow_unverified=True, notice=told.append)
    assert "not verified" in told[0] and "never verified" in told[1]
    assert json.loads((tmp_path / LOCK).read_text())[KEY]["verified"] is False


def test_more_than_stated_is_not_written(server, content, tmp_path):
    server.listing = changed(server, size=1000)
    with pytest.raises(InputError, match="more than the expected 1000 bytes|transfer failed"):
        get(server, tmp_path)
    parts = [path for path in tmp_path.rglob("*.part")]
    assert sum(path.stat().st_size for path in parts) <= 1000
    server.listing = changed(server, size=None, lfs=None)
    hub = Hub(server.repo, endpoint=server.endpoint, tries=1, pause=0, max_bytes=1000)
    with pytest.raises(InputError, match="more than the expected 1000 bytes"):
        get(server, tmp_path, hub=hub, allow_unverified=True)
    server.listing = None
    with pytest.raises(InputError, match="states 400000 bytes, more than the 1000"):
        get(server, tmp_path, hub=hub)
    assert not (tmp_path / KEY).exists()


def test_a_part_that_is_too_long_begins_again(server, content, tmp_path):
    staging = tmp_path / ".downloads"
    staging.mkdir()
    (staging / f"{server.sha256(REMOTE)}.part").write_bytes(b"x" * (len(content) + 1))
    (path,) = get(server, tmp_path)
    assert path.read_bytes() == content


def test_retries_are_told(server, tmp_path, caplog):
    server.statuses = [(503, {})]
    get(server, tmp_path)
    assert "the hub answered 503: trying again" in caplog.text
