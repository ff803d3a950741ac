"""The web demo: draws all stages of a caption's picture."""
