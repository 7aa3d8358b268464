"""The worker process: claims tasks, runs them, settles them. The only process with user code.

The way of a task: `consumer` claims it into a free slot, `executor` runs it (a thread of `lanes`, if it
is a plain function), `tqd.task.settle` decides what follows, `settler` gathers that, and the
consumer's next exchange carries it to Redis together with the next claim.
"""
