"""Slim a training checkpoint to what inference needs.

    python tools/publish_checkpoint.py work_dirs/quickstart/ovtrack/epoch_14.pth OUT.safetensors

Keeps the weights as float16 in a safetensors file, without optimiser and history, and writes
the hash of the source beside them.
"""

from __future__ import annotations

import argparse
import sys

from vovtrack.engine.checkpoint import load_weights, save_weights
from vovtrack.errors import InputError
from vovtrack.formats.hashing import file_sha256


def main() -> int:
    """Convert one file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="checkpoint of a training run (.pth)")
    parser.add_argument("target", help="file to write (.safetensors)")
    parser.add_argument("--note", default="", help="where the weights come from")
    args = parser.parse_args()
    try:
        weights = load_weights(args.source)
    except InputError as error:
        print(f"publish_checkpoint: {error}", file=sys.stderr)
        return 2
    slim = {key: v.half() if v.is_floating_point() else v for key, v in weights.items()}
    save_weights(slim, args.target, {"source_sha256": file_sha256(args.source), "note": args.note})
    print(f"{len(slim)} tensors in {args.target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
