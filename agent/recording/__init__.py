"""Footage on disk: recording it, finding it, keeping it, cutting it."""
