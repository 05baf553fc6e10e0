"""A group of processes trains one epoch of stage 3: NCCL on GPUs, gloo on CPUs.

    python tools/gpu_check/group.py --device cuda

Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from vovtrack.files.checkpoints import load_checkpoint_file
from vovtrack.synthetic import write_world

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "configs/mini/ovtrack.py"


def main() -> None:
    """Render a world, train, look at the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    count = max(1, torch.cuda.device_count()) if args.device == "cuda" else 1
    with tempfile.TemporaryDirectory() as folder:
        world = write_world(Path(folder) / "world", size="tiny", workers=1)
        options = [
            f"train_dataloader.dataset.data_root={world}",
            "load_from=saved_models/mini/ovtrack_mini.safetensors",
            "train_dataloader.batch_size=1",
            "train_cfg.max_epochs=1",
        ]
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += ["--nproc_per_node", str(count), "tools/train.py", CONFIG]
        command += ["--launcher", "pytorch", "--device", args.device, "--work-dir", folder]
        done = subprocess.run(
            [*command, "--cfg-options", *options], cwd=ROOT, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
        weights = load_checkpoint_file(Path(folder) / "epoch_1.pth")["state_dict"]
    broken = [name for name, value in weights.items() if not value.float().isfinite().all()]
    if broken:
        raise ValueError(f"weights that are not finite: {', '.join(broken[:3])}")
    backend = "nccl" if args.device == "cuda" else "gloo"
    print(json.dumps({"processes": count, "backend": backend}))


if __name__ == "__main__":
    main()
