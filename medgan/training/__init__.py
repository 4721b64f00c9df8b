"""One loop for every system, and what makes it safe to stop."""
