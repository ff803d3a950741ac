"""How captioned images are laid out on disk: one module for each kind of source."""
