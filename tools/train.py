"""Train a config: ``python tools/train.py CONFIG [options]``, the same as ``vovtrack train``."""

import sys

from vovtrack.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
