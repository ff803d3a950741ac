"""Models for use after training: rewritten for speed, and exported for servers."""
