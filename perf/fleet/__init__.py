"""Supervision: what a reload, a kill, a stopped Redis or a blocked loop costs a running daemon."""
