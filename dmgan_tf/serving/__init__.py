"""Models for use after training: rewritten to be quick."""
