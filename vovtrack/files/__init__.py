"""Bytes and safety: whole files or none, hashes, archives, refused pickles."""
