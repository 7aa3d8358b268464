"""Tasks as values: what they are, how they end, when they are tried again. Pure."""
