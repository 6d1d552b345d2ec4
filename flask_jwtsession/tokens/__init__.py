"""Claims to compact string and back. Nothing here knows Flask, and time is an argument."""
