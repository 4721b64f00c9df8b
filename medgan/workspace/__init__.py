"""What a clone is: its recipes, raw data, state and costs."""
