"""CLIP: the one door to its encoders, prompts and text embeddings."""
