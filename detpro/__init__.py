"""DetPro: open-vocabulary detection with a bank of text embeddings as classifier."""

from detpro import datasets, models, prompts

__all__ = ["datasets", "models", "prompts"]
