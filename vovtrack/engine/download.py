"""Fetching the published weights: resumed, verified, and recorded.

``huggingface_hub`` does the transfer (proxies, mirrors by ``HF_ENDPOINT``, tokens, resuming). A
file gets its final name only when its size and its SHA-256 are those that the hub states; what
was fetched is written to ``downloads.json`` beside the weights and checked ever after.
"""

from __future__ import annotations

import difflib
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import WeakFileLock, build_hf_headers

from vovtrack.errors import InputError
from vovtrack.files.archives import read_json
from vovtrack.files.atomic import atomic_write
from vovtrack.files.hashing import file_sha256

REPOSITORY = "clarkqian/VOVTrack"
FOLDER = Path("saved_models")
WEIGHTS = {
    "pretrained_models/iou_neg5_ens.pth": "DetPro prompt embeddings of the LVIS classes",
    "pretrained_models/detpro_prompt.pt": "DetPro prompt embeddings used by the tracker",
    "pretrained_models/ovtrack_clip_distillation.pth": "detector distilled from CLIP",
    "pretrained_models/ovtrack_detpro_prompt.pth": "OVTrack with DetPro prompts",
    "our_trained_models/detpro_stage1.pth": "result of stage 1",
    "our_trained_models/detpro_stage2_finetune.pth": "result of stage 2",
    "our_trained_models/ovtrack_pair.pth": "result of stage 3",
    "our_trained_models/ovtrack_finetune_final.pth": "result of stage 4, used for inference",
}
"""Files below ``saved_models``, and what they are."""
LOCK = "downloads.json"
_STAGING = ".downloads"
_ONE_AT_A_TIME = ".downloads.lock"
_TEMPORARY = (429, 500, 502, 503, 504)
_LONGEST_WAIT = 60.0  # seconds between two tries

T = TypeVar("T")


@dataclass(frozen=True)
class Hub:
    """Where weights come from.

    Attributes:
        repo: Repository on the hub.
        revision: Branch, tag or commit.
        endpoint: Address of the hub or of a mirror; default: ``HF_ENDPOINT`` or the hub itself.
        tries: How often a request is made before giving up.
        pause: Seconds before the second try; doubled after each.
    """

    repo: str = REPOSITORY
    revision: str = "main"
    endpoint: str | None = None
    tries: int = 5
    pause: float = 1.0


def resolve_names(names: Sequence[str]) -> list[str]:
    """Find weights by path, file name or stem; none given means all.

    Returns:
        Keys of ``WEIGHTS``.

    Raises:
        InputError: A name is unknown; the message lists near ones.
    """
    known = {alias: key for key in WEIGHTS for alias in (key, Path(key).name, Path(key).stem)}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
            hint = f"Near names: {', '.join(near)}." if near else "See 'vovtrack download --list'."
            raise InputError(f"There are no weights '{name}'. {hint}")
    return list(dict.fromkeys(known[name] for name in names)) or list(WEIGHTS)


def fetch(
    names: Sequence[str] = (),
    folder: str | Path = FOLDER,
    hub: Hub | None = None,
    source: str | Path | None = None,
    offline: bool = False,
    force: bool = False,
    notice: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """Put weights in their places, each complete and verified or not at all.

    A file that is there already is checked against the record of its download.

    Args:
        names: See :func:`resolve_names`.
        folder: The ``saved_models`` folder.
        hub: Where they come from.
        source: Take them from this folder, in which somebody carried them over, instead.
        offline: Never ask the network.
        force: Fetch also what is there, and accept other contents than recorded.
        notice: Told what was done, file by file.

    Returns:
        The files.

    Raises:
        InputError: A name is unknown, a file has other contents than recorded or than the hub
            states, there is no room, or the hub does not give it.
    """
    folder, hub = Path(folder), hub or Hub()
    keys = resolve_names(names)
    folder.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(folder / _ONE_AT_A_TIME):
        record = _Record(folder / LOCK)
        listing: dict[str, Any] | None = None
        for key in keys:
            path = folder / key
            if path.exists() and not force:
                notice(f"{path}: {record.verify(key, path)}")
            elif source is not None:
                _carry(_find(Path(source), key), key, path, record, force)
                notice(f"{path}: copied from {source}, verified")
            elif offline:
                raise InputError(
                    f"{path}: is not there and --offline forbids to fetch it. Carry the file over "
                    "by hand and use --from DIR."
                )
            else:
                listing = listing or _list_files(hub)
                _download(key, path, listing, hub, record, force)
                notice(f"{path}: fetched, verified")
        _tidy(folder / _STAGING)
    return [folder / key for key in keys]


def _tidy(staging: Path) -> None:
    """Remove the folder of parts, unless parts of other downloads are in it."""
    if staging.is_dir() and not list(staging.glob("*.part")):
        shutil.rmtree(staging, ignore_errors=True)


class _Record:
    """``downloads.json``: size and hash of every file that was fetched."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[str, Any] = {}
        if path.exists():
            self.files = read_json(path)
            if not isinstance(self.files, dict) or not all(
                isinstance(entry, dict) and "sha256" in entry for entry in self.files.values()
            ):
                raise InputError(f"{path}: not a record of downloads; delete it to begin anew.")

    def verify(self, key: str, path: Path) -> str:
        """Check a file that is there; say so."""
        digest = file_sha256(path)
        if key not in self.files:
            self.add(key, path, digest, "found in place")
            return "already there; its hash is recorded from now on"
        if digest != self.files[key]["sha256"]:
            raise InputError(
                f"{path}: its content ({digest[:12]}) is not what was fetched "
                f"({self.files[key]['sha256'][:12]}). Delete it, or use --force to fetch it again."
            )
        return "already there, verified"

    def check(self, key: str, path: Path, digest: str) -> None:
        """Refuse new content that differs from the recorded one."""
        if key in self.files and digest != self.files[key]["sha256"]:
            raise InputError(
                f"{path}: its content ({digest[:12]}) differs from the recorded one "
                f"({self.files[key]['sha256'][:12]}). Use --force if the change is meant."
            )

    def add(self, key: str, path: Path, digest: str, origin: str) -> None:
        """Record a file."""
        entry = {"sha256": digest, "size": path.stat().st_size, "origin": origin}
        self.files[key] = entry | {"date": date.today().isoformat()}
        with atomic_write(self.path) as file:
            json.dump(dict(sorted(self.files.items())), file, indent=1)


def _find(source: Path, key: str) -> Path:
    """The file of that name anywhere in a folder."""
    name = PurePosixPath(key).name
    found = sorted(path for path in source.rglob(name) if path.is_file())
    if not found:
        raise InputError(f"{source}: holds no file '{name}'.")
    if len({file_sha256(path) for path in found}) > 1:
        raise InputError(f"{source}: holds several different files '{name}', first {found[0]}.")
    return found[0]


def _carry(origin: Path, key: str, path: Path, record: _Record, force: bool) -> None:
    digest = file_sha256(origin)
    if not force:
        record.check(key, origin, digest)
    _require_space(path, origin.stat().st_size)
    with open(origin, "rb") as reader, atomic_write(path, "wb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
    if file_sha256(path) != digest:
        path.unlink()
        raise InputError(f"{path}: the copy of {origin} differs from it; is the disk sound?")
    record.add(key, path, digest, "carried over")


def _require_space(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(path.parent).free
    if free < size:
        raise InputError(f"{path}: needs {size >> 20} MB, but only {free >> 20} MB are free.")


def _list_files(hub: Hub) -> dict[str, Any]:
    """What the repository holds: its commit, and {name: size and hash}."""
    api = HfApi(endpoint=hub.endpoint)
    info = patiently(
        hub,
        f"the list of files of '{hub.repo}'",
        lambda: api.model_info(hub.repo, revision=hub.revision, files_metadata=True),
    )
    return {"commit": info.sha, "files": {item.rfilename: item for item in info.siblings or ()}}


def _download(
    key: str, path: Path, listing: dict[str, Any], hub: Hub, record: _Record, force: bool
) -> None:
    remote = _remote_name(key, listing, hub)
    item = listing["files"][remote]
    digest = item.lfs.sha256 if item.lfs else None
    if digest and not force:
        record.check(key, Path(f"{hub.repo}/{remote}"), digest)
    _require_space(path, item.size or 0)
    staging = path.parents[len(PurePosixPath(key).parts) - 1] / _STAGING
    staging.mkdir(exist_ok=True)
    # The part is named by what it is a part of: any later run continues it.
    part = staging / f"{digest or listing['commit']}.part"
    _transfer(remote, part, item.size, listing["commit"], hub)
    content = file_sha256(part)
    if digest and content != digest:
        part.unlink()
        raise InputError(
            f"{path}: got content {content[:12]}, but the hub states {digest[:12]}. Try again, or "
            "without the mirror."
        )
    if not force:
        record.check(key, path, content)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.replace(part, path)
    record.add(key, path, content, f"{hub.repo}@{listing['commit']}/{remote}")


def _transfer(remote: str, part: Path, size: int | None, commit: str, hub: Hub) -> None:
    """Append to a part of a file until it is whole."""
    url = hf_hub_url(hub.repo, remote, revision=commit, endpoint=hub.endpoint)

    def go_on() -> None:
        with open(part, "ab") as file:
            done = file.tell()
            http_get(
                url,
                file,
                resume_size=done,
                headers=build_hf_headers(),
                expected_size=size,
                displayed_filename=PurePosixPath(remote).name,
            )

    patiently(hub, f"'{remote}'", go_on)


def _remote_name(key: str, listing: dict[str, Any], hub: Hub) -> str:
    """The one file of the repository with that base name."""
    name = PurePosixPath(key).name
    found = [file for file in listing["files"] if PurePosixPath(file).name == name]
    exact = [file for file in found if file.endswith(key)]
    if len(found) != 1 and len(exact) != 1:
        held = ", ".join(sorted(listing["files"])[:20]) or "nothing"
        fault = "does not hold" if not found else "holds more than one"
        raise InputError(f"'{hub.repo}' ({hub.revision}) {fault} '{name}'; it holds: {held}.")
    return (exact or found)[0]


def patiently(hub: Hub, what: str, ask: Callable[[], T]) -> T:
    """Ask the hub, again after a while where it is busy or silent; say what went wrong.

    Args:
        hub: Whom, how often, and how long to wait in between.
        what: What is asked for, in words.
        ask: The request.

    Raises:
        InputError: It was refused, or not answered so many times.
    """
    pause = hub.pause
    for last in [False] * (hub.tries - 1) + [True]:
        try:
            return ask()
        except (GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError) as error:
            raise InputError(_refusal(hub, error)) from None
        except (OfflineModeIsEnabled, LocalEntryNotFoundError) as error:
            reason = f"the hub cannot be reached ({_first_line(error)})"
            if isinstance(error, OfflineModeIsEnabled):
                raise InputError(f"Cannot get {what}: HF_HUB_OFFLINE is set.") from None
        except HfHubHTTPError as error:
            status = getattr(error.response, "status_code", None)
            reason = f"the hub answered {status}"
            if status not in _TEMPORARY:
                raise InputError(f"Cannot get {what} of '{hub.repo}': {reason}.") from None
            pause = max(pause, _retry_after(error))
        except OSError as error:
            reason = f"the transfer failed ({_first_line(error)})"
        except Exception as error:
            if type(error).__module__.split(".")[0] not in ("httpx", "httpx2", "httpcore"):
                raise
            reason = f"the transfer failed ({_first_line(error) or type(error).__name__})"
        if last:
            raise InputError(
                f"Cannot get {what} of '{hub.repo}': {reason}, {hub.tries} times. Run the command "
                "again to go on where it stopped; HF_ENDPOINT names a mirror."
            )
        time.sleep(min(pause, _LONGEST_WAIT))
        pause *= 2
    raise AssertionError("unreachable")


def _refusal(hub: Hub, error: Exception) -> str:
    if isinstance(error, GatedRepoError):
        return f"'{hub.repo}' wants you to accept its terms and log in ('hf auth login')."
    if isinstance(error, RevisionNotFoundError):
        return f"'{hub.repo}' has no revision '{hub.revision}'."
    return f"There is no repository '{hub.repo}' on the hub, or it is private ('hf auth login')."


def _retry_after(error: HfHubHTTPError) -> float:
    try:
        return float(error.response.headers.get("Retry-After", 0))
    except (ValueError, AttributeError):
        return 0.0


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:200]
