"""One module per group of figures; `perf.suite` lists them."""
