"""The usual name of ``vovtrack inspect config``: ``python tools/print_config.py ...``."""

import sys

from vovtrack.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["inspect", "config", *sys.argv[1:]]))
