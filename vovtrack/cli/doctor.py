"""``vovtrack doctor``: what is installed, what serves what, and what is missing for what."""

from __future__ import annotations

import argparse
import importlib
import platform
from collections.abc import Callable
from pathlib import Path

from vovtrack.cli.train import add_trust_argument
from vovtrack.engine.shipped import SHIPPED
from vovtrack.errors import InputError

HELP = "print versions, devices and what is missing, or describe a weight file"
EXAMPLES = (
    "vovtrack doctor",
    "vovtrack doctor --checkpoint ovtrack_pair.pth",
    "vovtrack doctor --checkpoint A.safetensors --config configs/mini/ovtrack.py",
)

PACKAGES = ("torch", "torchvision", "mmengine", "mmcv", "mmdet", "open_clip", "av", "cv2", "numpy")
WEIGHTS = {
    "saved_models/mini/ovtrack_mini.safetensors": "tracking the mini world at once",
    "saved_models/mini/clip_mini.safetensors": "class names in the mini world",
    "saved_models/pretrained_models/detpro_prompt.pt": "text embeddings of LVIS classes",
    "saved_models/pretrained_models/iou_neg5_ens.pth": "detector training (stages 1 and 2)",
    "saved_models/our_trained_models/detpro_stage2_finetune.pth": "pair pre-training (stage 3)",
    "saved_models/our_trained_models/ovtrack_pair.pth": "self-supervised training (stage 4)",
    "saved_models/our_trained_models/ovtrack_finetune_final.pth": "the published tracker",
}
SYSTEM_LIBRARIES = ("libGL", "libgthread", "libglib", "libEGL", "libSM", "libXext", "libxcb")
"""What OpenCV's build with windows asks of the system; the headless build does not."""
HEADLESS = (
    "This machine has no display libraries. Run: pip uninstall -y opencv-python "
    "opencv-python-headless && pip install opencv-python-headless"
)
DATA = {
    "data/tao/annotations/validation_ours_v1.json": "TAO validation",
    "data/tao/frames": "TAO validation and raw-video training",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--checkpoint", metavar="FILE", help="describe this weight file instead")
    parser.add_argument("--config", help="with --checkpoint: does the file fit this config")
    add_trust_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print the report; 1 if a part without which nothing runs is broken, or a file misfits."""
    if args.checkpoint is not None:
        return _describe(args.checkpoint, args.config, args.trust_config)
    if args.config is not None:
        raise InputError("--config says what --checkpoint should fit: give both.")
    print(f"python        {platform.python_version()} on {platform.system()} {platform.machine()}")
    broken = [name for name in PACKAGES if not _print_version(name)]
    for name, part in (("operators", _operators), ("encoder", _encoder), ("devices", _devices)):
        _print_part(name, part)
    print("\nfiles (in the current folder or beside the configs)")
    for path, purpose in {**WEIGHTS, **DATA}.items():
        state = "found  " if Path(path).exists() or (SHIPPED / path).exists() else "missing"
        print(f"  {state}  {path}: {purpose}")
    print("\nPublished weights: see saved_models/README.md. Data layout: see data/README.md.")
    print("\n" + (f"Broken: {', '.join(broken)}." if broken else "All parts can be imported."))
    return 1 if broken else 0


def _describe(checkpoint: str, config: str | None, trust_config: bool) -> int:
    from vovtrack.cli.convert import layouts
    from vovtrack.engine.run import load_config
    from vovtrack.engine.weights.inspection import inspect_checkpoint

    known = layouts()
    cfg = load_config(config, trust_config=trust_config) if config else None
    inspection = inspect_checkpoint(checkpoint, known, cfg)
    print("\n".join(inspection.lines()))
    return 0 if inspection.fits else 1


def _print_version(name: str) -> bool:
    try:
        if name.startswith("mm"):
            importlib.import_module("vovtrack.registry")
        module = importlib.import_module(name)
    except (ImportError, OSError) as error:
        print(f"{name:<13} cannot be imported: {error}. {_cure(str(error))}")
        return False
    print(f"{name:<13} {module.__version__}")
    return True


def _cure(error: str) -> str:
    if any(library in error for library in SYSTEM_LIBRARIES):
        return HEADLESS
    return "Run: pip install -e . in the repository."


def _print_part(name: str, part: Callable[[], str]) -> None:
    try:
        print(f"{name:<13} {part()}")
    except (ImportError, OSError) as error:
        print(f"{name:<13} not known: {error}")


def _operators() -> str:
    from vovtrack import compat

    compat.install()
    return compat.operator_backend()


def _encoder() -> str:
    from vovtrack.visualization.video_writer import available_codec

    return f"{available_codec()} for drawn videos"


def _devices() -> str:
    import torch

    mkldnn = torch.backends.mkldnn.is_available()
    bf16 = mkldnn and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    found = [f"cpu ({torch.get_num_threads()} threads, bf16 {'yes' if bf16 else 'no'})"]
    for index in range(torch.cuda.device_count()):
        found.append(f"cuda:{index} ({torch.cuda.get_device_name(index)})")
    if torch.backends.mps.is_available():
        found.append("mps")
    if len(found) == 1:
        found.append("no cuda: everything runs on the CPU")
    return ", ".join(found)
