"""Scores of a model or of a folder of pictures, by protocols that have a name."""
