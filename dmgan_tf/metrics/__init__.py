"""The metrics of generated images, computed on features of a network."""
