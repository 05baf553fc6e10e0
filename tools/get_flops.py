"""The usual name of ``vovtrack inspect flops``: ``python tools/get_flops.py ...``."""

import sys

from vovtrack.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["inspect", "flops", *sys.argv[1:]]))
