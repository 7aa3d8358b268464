"""Benchmarks of tqd: `python -m perf`. Figures, how each is measured, and the budgets they must hold."""
