"""Splits captions into words, and converts words to ids."""
