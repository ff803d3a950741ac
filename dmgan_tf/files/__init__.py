"""Files that are whole or not there, and foreign ones that are read with care."""
