"""Captions: how they are split into words, and how words become ids."""
