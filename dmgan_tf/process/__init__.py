"""What surrounds the work of a process: its backend, its start and its progress."""
