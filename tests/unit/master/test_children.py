"""Stacks as they are told: without the frames of the master that the fork copied."""

from __future__ import annotations

from tqd.master.children import without_ours

STACKS = """\
Thread 0x00007f (most recent call first):
  File "/usr/lib/python3.11/selectors.py", line 468 in select

Current thread 0x00007e (most recent call first):
  File "/srv/shop/tasks.py", line 12 in resize
  File "/opt/tqd/worker/main.py", line 40 in worker_main
  File "/opt/tqd/system/fork.py", line 150 in _child
  File "/opt/tqd/system/fork.py", line 90 in spawn
  File "/opt/tqd/cli/main.py", line 5 in main

Thread 0x00007d (most recent call first):
  File "/srv/shop/other.py", line 7 in wait
"""


def test_what_is_below_the_fork_is_left_out_and_each_thread_is_kept() -> None:
    lines = STACKS.splitlines()
    assert without_ours(STACKS).splitlines() == lines[:6] + lines[9:]


def test_stacks_without_a_fork_are_left_as_they_are() -> None:
    stacks = 'Current thread 0x7 (most recent call first):\n  File "a.py", line 1 in _children\n  <no frame>'
    assert without_ours(stacks) == stacks
    assert without_ours("") == ""
