"""The usual name of ``vovtrack inspect data``: ``python tools/browse_dataset.py ...``."""

import sys

from vovtrack.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["inspect", "data", *sys.argv[1:]]))
