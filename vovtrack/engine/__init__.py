"""Running models: streaming, training, testing, checkpoints and options."""
