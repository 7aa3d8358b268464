"""The operating system: forks, pipes, signals, files of the daemon, memory. The only importer of
os.fork, psutil and uvloop."""
