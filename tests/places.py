"""Where things lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The root of the repository."""
CLIP = dict(
    model=str(ROOT / "configs/mini/clip_mini.json"),
    pretrained=str(ROOT / "saved_models/mini/clip_mini.safetensors"),
)
"""Arguments of the shipped mini CLIP."""
