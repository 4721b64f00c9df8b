"""Side-by-side measurements: each module is one command that writes one table."""
