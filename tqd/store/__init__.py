"""All of tqd's dealings with Redis: keys, scripts, calls, connections. The only importer of redis."""
