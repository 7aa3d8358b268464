"""When recurring tasks are due: expressions, intervals, and what is done about missed slots. Pure."""
