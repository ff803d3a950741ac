"""Captioned images, from a folder on disk to batches of tensors."""
