"""What surrounds the steps of a run: its directory, checkpoints, signals and reports."""
