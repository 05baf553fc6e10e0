"""Twin images for pair training: how they are drawn, and their files."""
