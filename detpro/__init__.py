"""DetPro: open-vocabulary detection with a bank of text embeddings as classifier."""

import vovtrack.registry  # noqa: F401  serves mmcv's operators before mmdet asks for them
from detpro import datasets, models, prompts, system

__all__ = ["datasets", "models", "system", "prompts"]
