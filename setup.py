"""Puts configs and small weights into the built package; all else is declared in pyproject.toml."""

from pathlib import Path
from shutil import copytree, ignore_patterns

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("configs", "saved_models/mini")


class BuildWithShippedFiles(build_py):
    """A wheel carries the folders of SHIPPED; an editable install reads them where they are."""

    def run(self) -> None:
        """Build the packages, then copy the folders to ``vovtrack/shipped``."""
        super().run()
        if self.editable_mode:
            return
        for folder in SHIPPED:
            target = Path(self.build_lib, "vovtrack", "shipped", folder)
            copytree(folder, target, ignore=ignore_patterns("__pycache__"), dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithShippedFiles})
