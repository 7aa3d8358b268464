"""What travels: task envelopes, results, failure records, and frames between processes.

The only importer of msgpack. Bytes that come in may be hostile: whatever they hold, decoding ends in a value
or in one of the errors of `WireError`. Nothing here does I/O or reads a clock.
"""
