"""Training: the DAMSM, then the GAN against it."""
