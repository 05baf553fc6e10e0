"""Wheels for a machine without a network: collect them here, install there what is missing.

    python tools/gpu_check/wheels.py collect DIR [--python 3.12]
    python tools/gpu_check/wheels.py install DIR SITE

torch and what belongs to it are never collected nor installed: the machine has its own.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TORCH = re.compile(r"(torch|torchvision|triton|nvidia|cuda)([-_].*)?", re.IGNORECASE)
SOURCES = ("onedl-mmcv", "onedl-mmdetection")
"""Without wheels on the index; pure Python, so that a wheel made here serves any version."""
TESTS = ("pytest>=8.0", "hypothesis>=6.100")
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64",
             "manylinux2014_x86_64", "manylinux1_x86_64")  # fmt: skip


def requirements() -> list[str]:
    """What the project and its tests need, torch included."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")] + list(TESTS)


def pip(*words: str) -> None:
    """Run pip; its own message says what went wrong."""
    command = [sys.executable, "-m", "pip", *words, "--quiet", "--disable-pip-version-check"]
    subprocess.run(command, check=True)


def resolve(*words: str) -> list[dict]:
    """What pip would install."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        pip("install", "--dry-run", "--report", str(report), *words)
        return json.loads(report.read_text())["install"]


def collect(folder: Path, python: str) -> None:
    """Download wheels for another Python on Linux."""
    target = ["--only-binary=:all:", "--python-version", python, "--implementation", "cp"]
    target += [word for platform in PLATFORMS for word in ("--platform", platform)]
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), *SOURCES)
    found = resolve(
        *("--target", str(folder / "unused"), "--ignore-installed", "--find-links", str(folder)),
        *target,
        *requirements(),
    )
    chosen = [
        f"{item['metadata']['name']}=={item['metadata']['version']}"
        for item in found
        if not TORCH.fullmatch(item["metadata"]["name"])
        and not item["download_info"]["url"].startswith("file:")
    ]
    pip("download", "--no-deps", "--dest", str(folder), *target, *chosen)
    print(f"{folder}: {len(list(folder.glob('*.whl')))} wheels for Python {python}")


def install(folder: Path, site: Path, wanted: list[str] | None = None) -> None:
    """Install what this Python lacks, or has too old, beside it: into ``site``."""
    pinned = site.parent / "constraints.txt"
    pinned.parent.mkdir(parents=True, exist_ok=True)
    pinned.write_text("".join(f"{name}=={own}\n" for name, own in installed_torch().items()))
    links = ["--no-index", "--find-links", str(folder)]
    found = resolve(*links, "--constraint", str(pinned), *(wanted or requirements()))
    files = [item["download_info"]["url"].removeprefix("file://") for item in found]
    files = [file for file in files if not TORCH.fullmatch(Path(file).name.split("-")[0])]
    if files:
        pip("install", "--no-index", "--no-deps", "--upgrade", "--target", str(site), *files)
    print(f"{site}: {len(files)} packages installed")


def installed_torch() -> dict[str, str]:
    """Versions of torch and torchvision that stay as they are."""
    found = {}
    for name in ("torch", "torchvision"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tasks = parser.add_subparsers(dest="task", required=True)
    download = tasks.add_parser("collect")
    download.add_argument("folder", type=Path)
    download.add_argument("--python", default="3.12")
    use = tasks.add_parser("install")
    use.add_argument("folder", type=Path)
    use.add_argument("site", type=Path)
    args = parser.parse_args()
    if args.task == "collect":
        collect(args.folder, args.python)
    else:
        install(args.folder, args.site)


if __name__ == "__main__":
    main()
