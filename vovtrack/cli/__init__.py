"""The ``vovtrack`` command: one module per verb, dispatched by :mod:`vovtrack.cli.main`."""
