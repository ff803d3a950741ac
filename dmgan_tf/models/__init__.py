"""The networks of DM-GAN and of its text-image matching model (DAMSM)."""
