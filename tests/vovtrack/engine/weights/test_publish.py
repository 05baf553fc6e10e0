"""The card of a weight file, and what goes to the hub."""

from __future__ import annotations

import base64
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from vovtrack.cli.main import main
from vovtrack.engine.weights.checkpoint import save_weights
from vovtrack.engine.weights.hub import Hub
from vovtrack.engine.weights.publish import model_card, publish
from vovtrack.errors import InputError
from vovtrack.files.hashing import file_sha256

REPORT = dict(
    benchmark="tao-ov",
    headline=["TETA", "ClsA"],
    summary={"all": {"TETA": 41.58, "ClsA": 31.3}, "novel": None},
    protocol=dict(split="val", annotations_sha256="a" * 64),
)


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "tracker.safetensors"
    note = "<script>alert(1)</script> | stage 4"
    save_weights({"a": torch.ones(500_000)}, path, {"note": note, "source_sha256": "b" * 64})
    return path


def test_the_card_says_what_the_file_is(weights):
    card = model_card(weights, "user/name", report=REPORT, config="mini")
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert file_sha256(weights) in card and "1, 0.5 million numbers" in card
    assert "| all | 41.6 | 31.3 |" in card and "| novel | - | - |" in card
    assert "<script>" not in card and "\\| stage 4" in card
    assert "--checkpoint tracker.safetensors" in card


def test_only_files_that_cannot_run_code_are_published(tmp_path):
    torch.save(dict(a=torch.ones(1)), tmp_path / "a.pth")
    with pytest.raises(InputError, match="only .safetensors files are published"):
        model_card(tmp_path / "a.pth", "user/name")
    (tmp_path / "b.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError):
        model_card(tmp_path / "b.safetensors", "user/name")


def test_a_dry_run_sends_nothing(weights, tmp_path, capsys):
    out = tmp_path / "card"
    words = ["publish", str(weights), "--repo", "user/name", "--dry-run", str(out)]
    assert main([*words, "--endpoint", "http://127.0.0.1:9"]) == 0
    assert "would send to user/name: tracker.safetensors, README.md" in capsys.readouterr().out
    assert [path.name for path in out.iterdir()] == ["README.md"]


SITE = "https://huggingface.co"  # the client wants answers to name the hub


class FakeHub(BaseHTTPRequestHandler):
    """Takes small files the way the hub does: inside of the commit."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = {"url": f"{SITE}/user/name"}
        if "/preupload/" in self.path:
            wanted = [f["path"] for f in json.loads(body)["files"]]
            files = [dict(path=p, uploadMode="regular", shouldIgnore=False) for p in wanted]
            answer = dict(files=files)
        elif "/commit/" in self.path:
            for line in body.decode().splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    value = entry["value"]
                    self.server.files[value["path"]] = base64.b64decode(value["content"])
            answer = dict(commitUrl=f"{SITE}/user/name/commit/1", commitOid="1", pullRequestUrl="")
        self.reply(answer)

    def do_GET(self) -> None:
        self.reply(dict(id="user/name", sha="1", siblings=[], name="user", type="user"))

    def reply(self, answer: dict) -> None:
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def test_file_and_card_arrive(weights, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)
    server.files = {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    card = model_card(weights, "user/name")
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        publish(weights, Hub("user/name", endpoint=address), card)
    finally:
        server.shutdown()
    assert server.files["tracker.safetensors"] == weights.read_bytes()
    assert server.files["README.md"].decode() == card


def test_a_hub_that_does_not_answer(weights):
    with pytest.raises(InputError, match=re.escape("'tracker.safetensors' sent")):
        publish(weights, Hub("user/name", endpoint="http://127.0.0.1:9", tries=2, pause=0), "card")
