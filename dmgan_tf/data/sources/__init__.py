"""Layouts of captioned images on disk: one module for each kind of source."""
