"""The mini CLIP: how it is trained on the shapes of the synthetic world."""
