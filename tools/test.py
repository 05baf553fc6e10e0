"""Test a checkpoint: ``python tools/test.py CONFIG CHECKPOINT [options]``, as ``vovtrack test``."""

import sys

from vovtrack.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["test", *sys.argv[1:]]))
