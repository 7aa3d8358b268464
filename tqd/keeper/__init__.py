"""The keeper process: the node's lease, and the claims of the dead. It runs no user code."""
