"""The backend, start-up and progress reports of a process."""
