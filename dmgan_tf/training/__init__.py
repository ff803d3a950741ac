"""Training of the DAMSM, then of the GAN with it."""
