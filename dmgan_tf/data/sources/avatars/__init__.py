"""Drawings of named parts and colours, by the styles of DiceBear, and captions that name them."""
