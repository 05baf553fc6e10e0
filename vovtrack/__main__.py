"""Run the ``vovtrack`` command as ``python -m vovtrack``."""

import sys

from vovtrack.cli.main import main

sys.exit(main())
