"""Runs a command in a fork with limits and an audit hook, and tells what it did.

The fork has the imports of the test process, so hundreds of commands take minutes, not hours.
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SECONDS = 30
MEMORY = 4 << 30
"""Bytes that a command may add to what the test process has."""
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True)
class Outcome:
    """What a command did.

    Attributes:
        code: Its exit code; negative: the signal that ended it.
        error: What it wrote to stderr.
        events: Programs started, connections made, and files written outside of ``writable``.
        seconds: Processor time.
        memory: Bytes by which the largest memory of the fork exceeds that at its beginning.
    """

    code: int
    error: str
    events: tuple[str, ...]
    seconds: float
    memory: int

    def fault(self, codes: Sequence[int] = (2,)) -> str | None:
        """Why this is not how a hostile file may end, in words."""
        if self.code not in codes:
            return f"exit code {self.code}: {self.error[-300:]}"
        if "Traceback" in self.error:
            return f"a traceback: {self.error[-300:]}"
        if self.events:
            return f"did {self.events[:3]}"
        if self.seconds > SECONDS or self.memory > MEMORY:
            return f"took {self.seconds:.0f} s and {self.memory >> 20} MiB"
        if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", self.error):
            return f"control characters on the terminal: {self.error[-200:]!r}"
        return None


def run(words: Sequence[str], writable: Path) -> Outcome:
    """Run ``vovtrack WORDS`` in a fork.

    Args:
        words: The arguments.
        writable: The folder in which it may write.
    """
    with tempfile.TemporaryDirectory() as folder:
        error, report = Path(folder, "stderr"), Path(folder, "report")
        before = _peak(resource.RUSAGE_SELF)
        if (child := os.fork()) == 0:
            _child(words, writable, error, report)
        _, status, usage = os.wait4(child, 0)
        events = json.loads(report.read_text()) if report.exists() else []
        return Outcome(
            code=os.waitstatus_to_exitcode(status),
            error=error.read_text(errors="replace") if error.exists() else "",
            events=tuple(events),
            seconds=usage.ru_utime + usage.ru_stime,
            memory=max(0, usage.ru_maxrss * 1024 - before),
        )


def _child(words: Sequence[str], writable: Path, error: Path, report: Path) -> None:
    code = 1
    events: list[str] = []
    try:
        os.setsid()
        _redirect(error)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 5))
        signal.alarm(10 * SECONDS)  # for one that sleeps
        from vovtrack.cli.main import main

        _watch(events, [writable.resolve(), Path(tempfile.gettempdir(), "torch").resolve()])
        code = main(list(words))
    except SystemExit as stopped:
        code = stopped.code if isinstance(stopped.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        report.write_text(json.dumps(list(events)))
        sys.stderr.flush()
        os._exit(code & 0xFF)


def _redirect(error: Path) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    null = os.open(os.devnull, os.O_RDWR)
    target = os.open(error, os.O_WRONLY | os.O_CREAT)
    for source, number in ((null, 0), (null, 1), (target, 2)):
        os.dup2(source, number)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), errors="backslashreplace")


def _watch(events: list[str], writable: Sequence[Path]) -> None:
    def hook(event: str, args: tuple) -> None:
        if event in STARTS:
            events.append(f"{event} {args!r}"[:200])
        elif event == "open" and isinstance(args[0], str | bytes | Path):
            path, flags = Path(os.fsdecode(args[0])), args[2] or 0
            written = flags & WRITES and flags & (os.O_CREAT | os.O_TRUNC)
            if written and not any(_below(path, folder) for folder in writable):
                events.append(f"write {path}"[:200])
        elif event == "pickle.find_class" and args[0] in ("os", "posix", "subprocess", "builtins"):
            events.append(f"{event} {args!r}"[:200])

    sys.addaudithook(hook)


def _below(path: Path, folder: Path) -> bool:
    resolved = Path(os.path.abspath(path))
    # mmengine and Python's own tempfile write under names of this form, and clean up.
    temporary = re.match(re.escape(tempfile.gettempdir()) + r"/tmp\w{8}(/|$)", str(resolved))
    special = str(resolved).startswith(("/dev/", "/proc/"))
    return resolved.is_relative_to(folder) or bool(temporary) or special


def _peak(who: int) -> int:
    return resource.getrusage(who).ru_maxrss * 1024


def leftovers(folder: Path, known: Sequence[Path]) -> list[str]:
    """Files in a folder that were not there before: half-written outputs, temporary files."""
    return sorted(str(path) for path in folder.rglob("*") if path.is_file() and path not in known)
