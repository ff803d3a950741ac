"""Models for use after training: rewritten to be quick, and exported for a server."""
