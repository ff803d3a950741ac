"""Drawings of named parts and colours, in styles of DiceBear, and captions that name them."""
