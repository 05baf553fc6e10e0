"""Run every part of the check in a process of its own and write what came out as a table.

    bash tools/gpu_check.sh [--device cuda|cpu] [--quick] [--minutes 10] [--out docs/gpu.md]
                            [--only PART ...]

A part that fails or takes too long is a row with a sentence; the others run. Beside the page lies
a JSON file of the same name; logs are in work_dirs/gpu_check.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LOGS = ROOT / "work_dirs/gpu_check"
STAGES = ("detector", "states", "pairs", "clips", "prompts")
PRECISIONS = ("float32", "bf16", "fp16")


class Part(NamedTuple):
    """One row of the table."""

    name: str
    command: list[str]
    limit: float
    """Seconds."""


def parts(device: str, quick: bool) -> list[Part]:
    """What to run, the most telling first."""
    python, own = sys.executable, lambda script: [sys.executable, str(HERE / script)]
    place = ["--device", device]
    small = ["--quick"] if quick else []
    tests = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *place]
    steps = ["--steps", "2" if quick else "30", *small, *place]
    precisions = PRECISIONS if device != "cpu" else PRECISIONS[:2]
    goldens = ["tests/detpro/models", *([] if quick else ["tests/ovtrack/models"])]
    found = [
        Part("machine", [*own("machine.py"), *place], 60),
        Part("recorded outputs", [*tests, "-m", "gpu and golden", *goldens], 120),
        *(
            Part(f"training, {stage}, {kind}", [*own("training.py"), stage, kind, *steps], 120)
            for stage in STAGES
            for kind in precisions
        ),
        *(
            Part(f"tracking, {kind}", [*own("tracking.py"), kind, *small, *place], 90)
            for kind in precisions
        ),
        Part("process group", [*own("group.py"), *place], 120),
    ]
    if not quick:
        found.append(Part("tests", [*tests, "-m", "gpu and not golden"], 300))
    smoke = ["--smoke"] if quick else []
    for words in (["association.py", "--threads", "1"], ["self_supervision.py", "--threads", "1"]):
        command = [python, str(ROOT / "tools/benchmarks" / words[0]), *words[1:], *smoke]
        found.append(Part(f"benchmark, {words[0]}", command, 90))
    return found


def run(part: Part, seconds_left: float) -> dict:
    """Run a part; its row."""
    row = {"part": part.name}
    limit = min(part.limit, seconds_left)
    if limit <= 0:
        return row | {"status": "not run", "result": "no time was left; give more --minutes"}
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{part.name.replace(', ', '_').replace(' ', '_')}.log"
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    begin = time.perf_counter()
    with log.open("w") as file:
        try:
            code = subprocess.run(
                part.command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, timeout=limit,
                stdout=file, stderr=subprocess.STDOUT,
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            code = None
        except OSError as error:
            file.write(str(error))
            code = 1
    row["seconds"] = round(time.perf_counter() - begin, 1)
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    last = lines[-1] if lines else "it printed nothing"
    if code is None:
        return row | {"status": "failed", "result": f"stopped after {limit:.0f} seconds"}
    if code:
        return row | {"status": "failed", "result": last[:300]}
    return row | {"status": "ok", "result": json.loads(last) if last.startswith("{") else last}


def page(rows: list[dict], command: str) -> str:
    """The table in Markdown."""
    lines = [
        "# Checked on a device",
        "",
        f"Written by `{command}` on {date.today()}, Python {platform.python_version()}.",
        "",
        "| part | status | seconds | result |",
        "|---|---|---:|---|",
    ]
    for row in rows:
        result = row["result"]
        if isinstance(result, dict):
            result = ", ".join(
                f"{name.replace('_', ' ')} {value}" for name, value in result.items()
            )
        if row["status"] == "failed":
            result = f"failed: {result}"
        result = str(result).replace("|", "\\|")
        lines.append(f"| {row['part']} | {row['status']} | {row.get('seconds', '')} | {result} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the check; the exit code is 0 if every part passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="little work, to see that it runs")
    parser.add_argument("--minutes", type=float, default=10.0, help="for everything")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/gpu.md", help="page to write")
    parser.add_argument("--only", nargs="+", metavar="PART", help="parts whose names begin so")
    args = parser.parse_args()
    end = time.perf_counter() + 60 * args.minutes
    rows = []
    for part in parts(args.device, args.quick):
        if args.only and not part.name.startswith(tuple(args.only)):
            continue
        rows.append(run(part, end - time.perf_counter()))
        print(f"{rows[-1]['part']}: {rows[-1]['status']}, {rows[-1]['result']}", flush=True)
        # After every part, so that a machine that goes away leaves what is known.
        command = " ".join(["bash tools/gpu_check.sh", *sys.argv[1:]])
        args.out.write_text(page(rows, command))
        args.out.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")
    return int(any(row["status"] != "ok" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
