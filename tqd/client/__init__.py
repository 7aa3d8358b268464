"""What producers use: declaring tasks, enqueuing them, waiting for results."""
