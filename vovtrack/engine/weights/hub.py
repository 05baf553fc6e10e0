"""Talking to the model hub or a mirror, which is believed only as far as its answers make sense."""

from __future__ import annotations

import io
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, TypeVar
from urllib.parse import quote

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
from huggingface_hub.utils import (
    are_progress_bars_disabled,
    build_hf_headers,
    disable_progress_bars,
    enable_progress_bars,
)

from vovtrack.errors import InputError
from vovtrack.files.archives import decode_json
from vovtrack.files.atomic import append

REPOSITORY = "clarkqian/VOVTrack"
MAX_LISTING = 16 << 20
"""Bytes of a listing."""
MAX_BYTES = 16 << 30
"""Default size limit of one file; the largest published one has less than a tenth of it."""
SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_TEMPORARY = (429, 500, 502, 503, 504)
_LONGEST_WAIT = 60.0  # seconds between two tries

T = TypeVar("T")
logger = logging.getLogger("vovtrack")


@dataclass(frozen=True)
class Hub:
    """Where weights come from.

    Attributes:
        repo: Repository on the hub.
        revision: Branch, tag or commit.
        endpoint: Address of the hub or of a mirror; default: ``HF_ENDPOINT`` or the hub itself.
        tries: How often a request is made before giving up.
        pause: Seconds before the second try; doubled after each.
        max_bytes: Largest file to fetch.
    """

    repo: str = REPOSITORY
    revision: str = "main"
    endpoint: str | None = None
    tries: int = 5
    pause: float = 1.0
    max_bytes: int = MAX_BYTES


@dataclass(frozen=True)
class RemoteFile:
    """A file of the repository, as the hub describes it.

    Attributes:
        name: Path in the repository.
        commit: Of the repository.
        size: Bytes; None if not stated.
        sha256: Of the content, in hexadecimal; None if not stated.
    """

    name: str
    commit: str
    size: int | None
    sha256: str | None


def list_files(hub: Hub) -> dict[str, RemoteFile]:
    """What the repository holds, by name.

    Raises:
        InputError: The hub refuses, is silent, or its answer is not a list of files.
    """
    endpoint = HfApi(endpoint=hub.endpoint).endpoint
    url = f"{endpoint}/api/models/{hub.repo}/revision/{quote(hub.revision, safe='')}?blobs=true"
    what = "the list of files"

    def ask() -> bytes:
        received = io.BytesIO()
        shown = not are_progress_bars_disabled()
        disable_progress_bars()
        try:
            http_get(
                url,
                Limited(received, MAX_LISTING, what),  # type: ignore[arg-type]  # it is only written to
                headers=build_hf_headers(),
            )
        finally:
            if shown:
                enable_progress_bars()
        return received.getvalue()

    answer = decode_json(patiently(hub, what, ask), url)
    try:
        return _read_listing(answer)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{url}: not a list of files: {_first_line(error)}.") from None


def _read_listing(answer: Any) -> dict[str, RemoteFile]:
    _expect(isinstance(answer, dict), "not an object")
    commit, items = answer.get("sha"), answer.get("siblings")
    _expect(isinstance(commit, str) and _COMMIT.fullmatch(commit), "'sha' is not a commit")
    _expect(isinstance(items, list), "'siblings' is not a list")
    files = [_read_item(item, commit) for item in items]
    return {file.name: file for file in files}


def _read_item(item: Any, commit: str) -> RemoteFile:
    _expect(isinstance(item, dict), "an entry is not an object")
    name, lfs = item.get("rfilename"), item.get("lfs")
    is_name = isinstance(name, str) and name.isprintable() and 0 < len(name) <= 500
    _expect(is_name, "'rfilename' is not a file name")
    _expect(lfs is None or isinstance(lfs, dict), f"'lfs' of {name} is not an object")
    digest, size = (lfs or {}).get("sha256"), item.get("size")
    is_hash = digest is None or (isinstance(digest, str) and SHA256.fullmatch(digest))
    _expect(is_hash, f"'sha256' of {name} is not a hash")
    is_size = size is None or (type(size) is int and size >= 0)
    _expect(is_size, f"'size' of {name} is not a number of bytes")
    return RemoteFile(name, commit, size, digest)


def _expect(condition: Any, fault: str) -> None:
    if not condition:
        raise ValueError(fault)


class TooMuch(InputError):
    """The hub sends more than it may."""


class Limited:
    """A file that takes no more than a number of bytes.

    Args:
        file: Where they go.
        limit: How many there may be in all.
        what: What they are, for the message.
    """

    def __init__(self, file: IO[bytes], limit: int, what: str) -> None:
        self.file, self.limit, self.what = file, limit, what

    def write(self, data: bytes) -> int:
        """Write, or refuse what is too much.

        Raises:
            TooMuch: There is more than expected.
        """
        if self.file.tell() + len(data) > self.limit:
            raise TooMuch(
                f"The hub sends more than the expected {self.limit} bytes of {self.what}; "
                "the transfer was stopped. Try again, or without the mirror."
            )
        return self.file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def transfer(remote: RemoteFile, part: Path, hub: Hub) -> None:
    """Append to a part of a file until it is whole.

    Raises:
        InputError: The hub refuses, is silent, or sends more than it stated or than allowed.
    """
    url = hf_hub_url(hub.repo, remote.name, revision=remote.commit, endpoint=hub.endpoint)
    limit = hub.max_bytes if remote.size is None else remote.size

    def resume() -> None:
        with append(part) as file:
            http_get(
                url,
                Limited(file, limit, f"'{remote.name}'"),  # type: ignore[arg-type]  # as above
                resume_size=file.tell(),
                headers=build_hf_headers(),
                expected_size=remote.size,
                displayed_filename=PurePosixPath(remote.name).name,
            )

    if part.exists() and part.stat().st_size > limit:
        part.unlink()
    try:
        patiently(hub, f"'{remote.name}'", resume)
    except TooMuch:
        part.unlink()
        raise


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
        except InputError:
            raise
        except Exception as error:
            if type(error).__module__.split(".")[0] not in ("httpx", "httpx2", "httpcore"):
                raise
            reason = f"the transfer failed ({_first_line(error) or type(error).__name__})"
        if last:
            raise InputError(
                f"Cannot get {what} of '{hub.repo}': {reason}, {hub.tries} times. Run the command "
                "again to resume; HF_ENDPOINT names a mirror."
            )
        logger.warning("%s: trying again in %.0f s.", reason, min(pause, _LONGEST_WAIT))
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
