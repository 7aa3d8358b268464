"""The master process: forks, watches, decides. One thread, one loop; it waits for nobody."""
