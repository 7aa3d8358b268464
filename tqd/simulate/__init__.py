"""Virtual time: what the workers, and whoever chooses their number, would have made of a trace. Pure."""
