"""Prompt representation learning: contexts by which class names classify regions."""

from detpro.prompts.data import RegionEmbeddingDataset
from detpro.prompts.learner import BalanceClassesHook, PromptLearner
from detpro.prompts.metric import RegionNamingMetric

__all__ = ["BalanceClassesHook", "PromptLearner", "RegionEmbeddingDataset", "RegionNamingMetric"]
