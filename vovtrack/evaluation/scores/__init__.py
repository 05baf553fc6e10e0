"""Scores: pure functions from ground truth and prediction to numbers."""
