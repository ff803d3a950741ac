"""The directory, checkpoints, signals and reports of a run."""
