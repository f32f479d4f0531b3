"""Reusable widgets. They know tokens and words, nothing of the core."""
