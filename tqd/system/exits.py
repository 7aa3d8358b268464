"""The exit codes of `tqd` and of its children, after sysexits where that has one."""

OK = 0
FAILURE = 1
NOT_RUNNING = 3
USAGE = 64
UNAVAILABLE = 69
INTERNAL = 70
CANNOT_CREATE = 73
FENCED = 75
OVERTIME = 76
CONFIG = 78
