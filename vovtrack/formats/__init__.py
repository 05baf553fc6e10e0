"""File formats: bytes to and from the shared structures, without images and without maths."""
