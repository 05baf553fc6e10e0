"""The usual name of ``vovtrack inspect logs``: ``python tools/analyze_logs.py ...``."""

import sys

from vovtrack.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["inspect", "logs", *sys.argv[1:]]))
