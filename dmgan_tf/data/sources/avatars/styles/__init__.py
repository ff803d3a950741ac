"""The styles with captions, one module each, with a `STYLE`."""
