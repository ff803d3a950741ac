"""The numbers that generated images are judged by, on features that a network gave."""
