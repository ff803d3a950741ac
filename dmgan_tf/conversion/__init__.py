"""Published weights of other frameworks, read into our networks and written back."""
