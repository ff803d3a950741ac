"""One step over several devices and machines."""
