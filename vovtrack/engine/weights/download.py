"""Fetching the published weights: resumed, verified, and recorded.

A file gets its final name only when its size and its SHA-256 are those that the hub states; what
was fetched is written to ``downloads.json`` beside the weights and checked ever after.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub.utils import WeakFileLock

from vovtrack.engine.shipped import SYSTEMS
from vovtrack.engine.weights.hub import REPOSITORY, SHA256, Hub, RemoteFile, list_files, transfer
from vovtrack.errors import InputError, did_you_mean
from vovtrack.files.archives import decode_json, read_json
from vovtrack.files.atomic import atomic_write, move
from vovtrack.files.hashing import file_sha256

FOLDER = Path("saved_models")
LOCK = "downloads.json"
_STAGING = ".downloads"
_ONE_AT_A_TIME = ".downloads.lock"


def published() -> dict[str, str]:
    """Files below ``saved_models`` that are on the hub, and what they are."""
    return _listed("published")


def of_others() -> dict[str, tuple[str, str]]:
    """Files that their authors publish on the hub: their repository there, and what they are."""
    return {
        key: (repo, what)
        for repo, files in _listed("of_others").items()
        for key, what in files.items()
    }


def elsewhere() -> dict[str, str]:
    """Files below ``saved_models`` that are not on the hub, and how to come by them."""
    return _listed("elsewhere")


def _listed(where: str) -> dict[str, Any]:
    lists = (read_json(path) for path in sorted(SYSTEMS.glob("*.json")))
    return {key: text for files in lists for key, text in files.get(where, {}).items()}


def resolve_names(names: Sequence[str]) -> list[str]:
    """Find weights by path, file name or stem; none given means all of the project's own.

    Returns:
        Keys of :func:`published` and :func:`of_others`.

    Raises:
        InputError: A name is unknown; the message lists near ones.
    """
    known, others = _by_alias((*published(), *of_others())), _by_alias(elsewhere())
    for name in names:
        if name in others:
            raise InputError(f"'{name}' is not on the hub. {elsewhere()[others[name]]}.")
        if name not in known:
            hint = did_you_mean(name, known, cutoff=0.4) or " See 'vovtrack download --list'."
            raise InputError(f"There are no weights '{name}'.{hint}")
    return list(dict.fromkeys(known[name] for name in names)) or list(published())


def how_to_get(path: str | Path) -> str:
    """How to come by a file that is missing, in words: it may be one of the published ones."""
    name = Path(path).name
    if key := _by_alias(elsewhere()).get(name):
        return elsewhere()[key]
    if name in _by_alias((*published(), *of_others())):
        return f"fetch it by 'vovtrack download {Path(name).stem}'"
    return "correct its path"


def _by_alias(files: Iterable[str]) -> dict[str, str]:
    """Files by path, name and stem."""
    return {alias: key for key in files for alias in (key, Path(key).name, Path(key).stem)}


def fetch(
    names: Sequence[str] = (),
    folder: str | Path = FOLDER,
    hub: Hub | None = None,
    source: str | Path | None = None,
    offline: bool = False,
    force: bool = False,
    allow_unverified: bool = False,
    notice: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """Put weights in their places, each complete and verified or not at all.

    A file that is there already is checked against the record of its download.

    Args:
        names: See :func:`resolve_names`.
        folder: The ``saved_models`` folder.
        hub: Where they come from; files that others publish come from their repository, unless
            another than the project's is given.
        source: Take them from this folder, in which somebody carried them over, instead.
        offline: Never ask the network.
        force: Fetch also what is there, and accept other contents than recorded.
        allow_unverified: Accept files whose hash the hub does not state.
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
        listings: dict[str, dict[str, RemoteFile]] = {}
        for key in keys:
            path = folder / key
            if path.exists() and not force:
                notice(f"{path}: {record.verify(key, path)}")
            elif source is not None:
                notice(f"{path}: {_carry(_find(Path(source), key), key, path, record, force)}")
            elif offline:
                raise InputError(
                    f"{path}: is not there and --offline forbids to fetch it. Carry the file over "
                    "by hand and use --from DIR."
                )
            else:
                home = _home(key, hub)
                listing = listings.get(home.repo) or list_files(home)
                listings[home.repo] = listing
                remote = _find_remote(key, listing, home)
                if remote.sha256 is None and not allow_unverified:
                    raise InputError(
                        f"{path}: the hub states no hash for '{remote.name}', so it cannot be "
                        "verified; it was not fetched. --allow-unverified takes it as it comes."
                    )
                notice(f"{path}: {_download(key, path, remote, home, record, force)}")
        _tidy(folder / _STAGING)
    return [folder / key for key in keys]


def _home(key: str, hub: Hub) -> Hub:
    """Where a file lives: with those who publish it, unless the user named a repository."""
    repo, _ = of_others().get(key, (hub.repo, ""))
    return replace(hub, repo=repo) if hub.repo == REPOSITORY else hub


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
            self.files = decode_json(path.read_bytes(), path)
            if not isinstance(self.files, dict) or not all(
                isinstance(entry, dict) and SHA256.fullmatch(str(entry.get("sha256")))
                for entry in self.files.values()
            ):
                raise InputError(f"{path}: not a record of downloads; delete it to begin again.")

    def verify(self, key: str, path: Path) -> str:
        """Check a file that is there; say so."""
        digest = file_sha256(path)
        if key not in self.files:
            self.add(key, path, digest, "found in place", verified=False)
            return "already there; its hash is recorded from now on"
        if digest != self.files[key]["sha256"]:
            raise InputError(
                f"{path}: its content ({digest[:12]}) is not what was fetched "
                f"({self.files[key]['sha256'][:12]}). Delete it, or use --force to fetch it again."
            )
        known = self.is_verified(key, digest)
        return "already there, verified" if known else "already there, unchanged; never verified"

    def is_verified(self, key: str, digest: str) -> bool:
        """Whether this content was once compared with a hash that the hub stated."""
        entry = self.files.get(key, {})
        return entry.get("sha256") == digest and entry.get("verified") is True

    def check(self, key: str, path: Path, digest: str) -> None:
        """Refuse new content that differs from the recorded one."""
        if key in self.files and digest != self.files[key]["sha256"]:
            raise InputError(
                f"{path}: its content ({digest[:12]}) differs from the recorded one "
                f"({self.files[key]['sha256'][:12]}). Use --force if the change is meant."
            )

    def add(self, key: str, path: Path, digest: str, origin: str, verified: bool) -> None:
        """Record a file."""
        entry = {"sha256": digest, "size": path.stat().st_size, "origin": origin}
        entry |= {"date": date.today().isoformat(), "verified": verified}
        self.files[key] = entry
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


def _carry(origin: Path, key: str, path: Path, record: _Record, force: bool) -> str:
    """Copy a file from a folder; say what was done."""
    digest = file_sha256(origin)
    if not force:
        record.check(key, origin, digest)
    _require_space(path, origin.stat().st_size)
    with open(origin, "rb") as reader, atomic_write(path, "wb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
    if file_sha256(path) != digest:
        path.unlink()
        raise InputError(f"{path}: the copy of {origin} differs from it; is the disk sound?")
    known = record.is_verified(key, digest)
    record.add(key, path, digest, "carried over", known)
    return f"copied from {origin}, " + ("verified" if known else "not verified: no hash is known")


def _require_space(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(path.parent).free
    if free < size:
        raise InputError(f"{path}: needs {size >> 20} MB, but only {free >> 20} MB are free.")


def _download(
    key: str, path: Path, remote: RemoteFile, hub: Hub, record: _Record, force: bool
) -> str:
    """Fetch a file; say what was done."""
    if remote.sha256 and not force:
        record.check(key, Path(f"{hub.repo}/{remote.name}"), remote.sha256)
    if (remote.size or 0) > hub.max_bytes:
        raise InputError(
            f"{path}: the hub states {remote.size} bytes, more than the {hub.max_bytes} that are "
            "fetched; --max-size allows more."
        )
    _require_space(path, remote.size or 0)
    staging = path.parents[len(PurePosixPath(key).parts) - 1] / _STAGING
    staging.mkdir(exist_ok=True)
    # The part is named by what it is a part of: any later run continues it.
    part = staging / f"{remote.sha256 or remote.commit}.part"
    transfer(remote, part, hub)
    content = file_sha256(part)
    if remote.sha256 and content != remote.sha256:
        part.unlink()
        raise InputError(
            f"{path}: got content {content[:12]}, but the hub states {remote.sha256[:12]}. Try "
            "again, or without the mirror."
        )
    if not force:
        record.check(key, path, content)
    move(part, path)
    origin = f"{hub.repo}@{remote.commit}/{remote.name}"
    record.add(key, path, content, origin, verified=remote.sha256 is not None)
    return "fetched, verified" if remote.sha256 else "fetched, not verified: the hub states no hash"


def _find_remote(key: str, listing: dict[str, RemoteFile], hub: Hub) -> RemoteFile:
    """The one file of the repository with that base name."""
    name = PurePosixPath(key).name
    found = [file for file in listing if PurePosixPath(file).name == name]
    exact = [file for file in found if file.endswith(key)]
    if len(found) != 1 and len(exact) != 1:
        held = ", ".join(sorted(listing)[:20]) or "nothing"
        fault = "does not hold" if not found else "holds more than one"
        raise InputError(f"'{hub.repo}' ({hub.revision}) {fault} '{name}'; it holds: {held}.")
    return listing[(exact or found)[0]]
