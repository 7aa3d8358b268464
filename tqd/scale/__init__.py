"""How many workers there should be: from a sample to a decision that explains itself. Pure."""
