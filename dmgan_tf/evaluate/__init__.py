"""Scores of a model or of a folder of pictures, by named protocols."""
