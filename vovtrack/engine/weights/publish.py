"""Sharing a weight file: a card that says what it is, and an upload to a model hub."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from vovtrack.engine.weights.checkpoint import load_weights, read_metadata
from vovtrack.engine.weights.hub import Hub, patiently
from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write
from vovtrack.files.hashing import file_sha256

CARD = "README.md"


def model_card(
    path: str | Path,
    repo: str,
    license_name: str = "apache-2.0",
    report: Mapping[str, Any] | None = None,
    config: str = "",
) -> str:
    """Write the page that explains a weight file, in Markdown with the hub's header.

    Args:
        path: Weights, ``.safetensors``.
        repo: Repository they go to.
        license_name: As the hub names it.
        report: An evaluation of them, see :func:`vovtrack.evaluation.reports.report.make_report`.
        config: Config that builds their model.

    Raises:
        InputError: Not a safetensors file, or one that cannot be read; a repository or license that
            the hub cannot have.
    """
    path = Path(path)
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", repo):
        raise InputError(f"'{repo[:80]}' is not a repository: give USER/NAME.")
    if not re.fullmatch(r"[\w.-]+", license_name):
        raise InputError(f"'{license_name[:80]}' is not a license of the hub: give one word.")
    if path.suffix != ".safetensors":
        raise InputError(
            f"{path}: only .safetensors files are published, since they cannot run code. "
            "'vovtrack export --slim' makes one."
        )
    weights = load_weights(path)
    count = sum(tensor.numel() for tensor in weights.values())
    facts = {
        "file": path.name,
        "SHA-256": file_sha256(path),
        "tensors": f"{len(weights)}, {count / 1e6:.1f} million numbers",
        "config": config or "-",
        **{key.replace("_", " "): value for key, value in sorted(read_metadata(path).items())},
    }
    rows = "\n".join(f"| {_cell(key)} | {_cell(value)} |" for key, value in facts.items() if value)
    header = (
        f"---\nlicense: {license_name}\nlibrary_name: vovtrack\ntags:\n- object-tracking\n---\n"
    )
    usage = (
        "```bash\n"
        f"hf download {repo} {path.name} --local-dir .\n"
        f"vovtrack doctor --checkpoint {path.name}\n"
        f"vovtrack track video.mp4 --config {config or 'CONFIG'} --checkpoint {path.name} \\\n"
        '  --classes "cat, dog" --out tracked.mp4\n```\n'
    )
    return (
        f"{header}\n# {path.stem}\n\nWeights of [VOVTrack](https://github.com/zekunqian/VOVTrack), "
        "open-vocabulary multi-object tracking. The file holds tensors only and runs no code.\n\n"
        f"| | |\n|---|---|\n{rows}\n\n## Use\n\n{usage}{_scores(report)}"
    )


def publish(path: str | Path, hub: Hub, card: str, folder: str | Path | None = None) -> list[str]:
    """Send a weight file and its card to a model hub, or write them to a folder.

    Args:
        path: Weights, ``.safetensors``.
        hub: Where to; the repository is made if it does not exist.
        card: What :func:`model_card` wrote.
        folder: Write the card here and send nothing.

    Returns:
        Names of the files in the repository.

    Raises:
        InputError: The hub refuses.
    """
    path = Path(path)
    names = [path.name, CARD]
    if folder is not None:
        with atomic_write(Path(folder) / CARD) as file:
            file.write(card)
        return names
    api = HfApi(endpoint=hub.endpoint)

    def send() -> None:
        api.create_repo(hub.repo, exist_ok=True)
        contents: tuple[Path | bytes, ...] = (path, card.encode())
        for name, content in zip(names, contents, strict=True):
            api.upload_file(path_or_fileobj=content, path_in_repo=name, repo_id=hub.repo)

    patiently(hub, f"'{path.name}' sent", send)
    return names


def _scores(report: Mapping[str, Any] | None) -> str:
    """A table of the evaluation."""
    if report is None:
        return ""
    metrics = report["headline"]
    lines = ["| classes | " + " | ".join(metrics) + " |", "|---|" + "---:|" * len(metrics)]
    for group, scores in report["summary"].items():
        cells = ["-" if (scores or {}).get(m) is None else f"{scores[m]:.1f}" for m in metrics]
        lines.append(f"| {group} | " + " | ".join(cells) + " |")
    digest = report["protocol"].get("annotations_sha256", "")[:12]
    where = json.dumps(report["protocol"].get("split"))
    note = f"{report['benchmark']}, split {where}, annotations {digest}"
    return f"\n## Evaluation\n\n{_cell(note)}\n\n" + "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    """Text that cannot break a table or bring in HTML."""
    text = " ".join(str(value).split())
    return text.replace("|", "\\|").replace("<", "&lt;")
