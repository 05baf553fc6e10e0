"""Operators work in whichever order the user imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
{imports}
import numpy as np, torch
from mmdet.structures.mask import BitmapMasks
masks = BitmapMasks(np.ones((1, 8, 8), np.uint8), 8, 8)
boxes = torch.tensor([[0.0, 0, 4, 4]])
cut = masks.crop_and_resize(boxes, (2, 2), torch.zeros(1, dtype=torch.long))
assert cut.masks.all()
"""


@pytest.mark.parametrize(
    "imports",
    [
        "import mmdet.structures\nimport vovtrack.registry",
        "from mmdet.structures import DetDataSample\nimport detpro",
        "import detpro",
    ],
)
def test_masks_are_cut_whatever_was_imported_first(imports, repo_root):
    script = SCRIPT.format(imports=imports)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=repo_root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-500:]
