"""Run the ``vovtrack`` command as ``python -m vovtrack.cli``."""

import sys

from vovtrack.cli.main import main

sys.exit(main())
