"""What is measured, as values that can be merged. Pure."""
