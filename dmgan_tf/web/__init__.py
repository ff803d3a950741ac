"""A page that draws captions in the visitor's browser, without computation on a server."""
