"""The styles that there are words for, one module each, with a `STYLE`."""
