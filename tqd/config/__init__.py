"""The settings: what there is, how they are merged and checked, and where they are read from."""
