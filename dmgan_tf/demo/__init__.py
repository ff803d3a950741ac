"""The web demo: a caption in, all stages of its picture out."""
