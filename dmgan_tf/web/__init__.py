"""A page that draws captions in the visitor's browser, and needs no server that computes."""
