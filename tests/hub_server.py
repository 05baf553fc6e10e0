"""A small stand-in for the model hub on this machine, with faults on demand."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeHub:
    """Serves files of one repository over HTTP.

    Attributes:
        files: {name in the repository: content}.
        cuts: Connections that break off: each entry is the number of bytes sent before.
        statuses: Answers to give instead of the next requests: (status, headers).
        stall: Seconds of silence before a connection breaks off.
        stated_sha256: Other hashes than the true ones.
        stated_size: Other sizes than the true ones.
        listing: What it answers instead of its list of files.
        drip: Seconds between bytes, for the first request of content.
        served: Bytes of content sent.
        ranges: ``Range`` headers seen.
    """

    repo: str = "user/weights"
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    statuses: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    stated_sha256: dict[str, str] = field(default_factory=dict)
    stated_size: dict[str, int] = field(default_factory=dict)
    listing: bytes | None = None
    drip: float = 0.0
    stall: float = 0.0
    served: int = 0
    ranges: list[str] = field(default_factory=list)

    def __enter__(self) -> FakeHub:
        hub = self

        class Handler(_Handler):
            owner = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()

    def sha256(self, name: str) -> str:
        return self.stated_sha256.get(name, hashlib.sha256(self.files[name]).hexdigest())

    def size(self, name: str) -> int:
        return self.stated_size.get(name, len(self.files[name]))

    def info(self) -> dict:
        siblings = [
            dict(
                rfilename=name,
                size=self.size(name),
                blobId="0",
                lfs=dict(sha256=self.sha256(name), size=self.size(name), pointerSize=1),
            )
            for name in self.files
        ]
        return dict(id=self.repo, sha=COMMIT, siblings=siblings, tags=[], private=False)


class _Handler(BaseHTTPRequestHandler):
    owner: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        hub = self.owner
        if hub.statuses:
            status, headers = hub.statuses.pop(0)
            return self.reply(status, b"{}" if body else b"", headers)
        if re.match(rf"/api/models/{hub.repo}(/revision/main)?(\?|$)", self.path):
            listing = hub.listing
            return self.reply(200, json.dumps(hub.info()).encode() if listing is None else listing)
        if self.path.startswith("/api/models/"):
            code = "RevisionNotFound" if f"/{hub.repo}/" in self.path else "RepoNotFound"
            return self.reply(404, b"{}", {"X-Error-Code": code})
        found = re.match(rf"/{hub.repo}/resolve/[^/]+/(.+)$", self.path)
        name = found[1].split("?")[0] if found else ""
        if name not in hub.files:
            return self.reply(404, b"", {"X-Error-Code": "EntryNotFound"})
        return self.send_file(name, body)

    def send_file(self, name: str, body: bool) -> None:
        hub, data = self.owner, self.owner.files[name]
        wanted = self.headers.get("Range")
        start = int(re.match(r"bytes=(\d+)-", wanted)[1]) if wanted and body else 0
        hub.ranges += [wanted] if wanted and body else []
        self.send_response(206 if start else 200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hub.sha256(name)}"')
        self.send_header("X-Linked-Etag", f'"{hub.sha256(name)}"')
        self.send_header("X-Linked-Size", str(hub.size(name)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if not body:
            return
        part = data[start:]
        if hub.cuts:
            part = part[: hub.cuts.pop(0)]
        pause, hub.drip = hub.drip, 0.0
        for at in range(0, len(part), 1 if pause else 1 << 14):
            piece = part[at : at + (1 if pause else 1 << 14)]
            self.wfile.write(piece)
            self.wfile.flush()
            hub.served += len(piece)
            time.sleep(pause)
        if len(part) < len(data) - start:
            time.sleep(hub.stall)
            self.close_connection = True
            self.connection.close()

    def reply(self, status: int, content: bytes, headers: dict | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
