"""Pure tensor functions: no memory, no weights, no file formats."""
