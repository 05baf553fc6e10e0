"""The point tracking model, its parts and its losses."""
