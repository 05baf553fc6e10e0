"""What the machine is, as one line of JSON; fails where the device is not there."""

from __future__ import annotations

import argparse
import json
import os

import torch
import torchvision

from vovtrack import compat


def main() -> None:
    """Print versions and the device."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    torch.ones(1, device=args.device)
    compat.install()
    found = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    found |= {"operators": compat.operator_backend(), "cores": len(os.sched_getaffinity(0))}
    if args.device == "cuda":
        found |= {"gpu": torch.cuda.get_device_name(), "gpus": torch.cuda.device_count()}
        found["cuda"] = torch.version.cuda
    print(json.dumps(found))


if __name__ == "__main__":
    main()
