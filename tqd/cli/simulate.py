"""`tqd simulate`: run a trace in virtual time, with the scaling that the configuration asks for."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import TextIO

from tqd.cli import view_simulate
from tqd.cli.lines import render
from tqd.cli.output import style_of, width_of
from tqd.cli.view_simulate import Setting
from tqd.config.autoscaler_settings import scale_settings
from tqd.config.load import load
from tqd.config.model import Config
from tqd.errors import TqdError, TraceError
from tqd.scale.settings import Mode, ScaleSettings
from tqd.simulate.own import Own
from tqd.simulate.picture import picture
from tqd.simulate.run import Constant, Outcome, Policy, simulate
from tqd.simulate.shape import Shape
from tqd.simulate.trace import LONGEST_LINE, read
from tqd.system import exits
from tqd.system.usage import cores


class Unreadable(TqdError):
    """Raised when the trace's file, or the picture's, cannot be used."""


def run(options: argparse.Namespace) -> int:
    """Simulate and report; TraceError and ConfigError say what is wrong."""
    config = load(options.config, os.environ, {}, cores())
    # Whether the daemon acts, advises or does neither: here it is asked what it would do.
    settings = replace(scale_settings(config.autoscaler), mode=Mode.ACT)
    goal_s = settings.target_sla.wait_goal_s
    shape = Shape(
        slots=options.slots or config.workers.max_concurrent_tasks,
        boot_s=options.boot,
        queues=config.queues.names,
        starvation_after_s=config.queues.starvation_after,
        goal_s=goal_s,
    )
    setting = Setting(options.trace, _words(settings, options.fixed), shape.slots, goal_s)
    outcome = _simulated(options, config, settings, shape)
    if options.svg:
        _draw(options.svg, picture(f"{setting.trace}: {setting.policy}", outcome.series.spans, goal_s))
    if options.json:
        print(json.dumps(view_simulate.facts(outcome, setting), indent=2))
        return exits.OK
    style, width = style_of(sys.stdout, os.environ), width_of(sys.stdout)
    for one in view_simulate.lines(outcome, setting, width, style):
        print(render(one, None, style).rstrip())
    for one in view_simulate.changes(outcome) if options.changes else ():
        print(render(one, None, style))
    return exits.OK


def _words(settings: ScaleSettings, fixed: int | None) -> str:
    if fixed is not None:
        return f"{fixed} workers all the time"
    return f"auto-scaling from {settings.min_workers} to {settings.max_workers} workers"


def _simulated(options: argparse.Namespace, config: Config, settings: ScaleSettings, shape: Shape) -> Outcome:
    begin = options.workers if options.workers is not None else options.fixed
    workers = settings.min_workers if begin is None else begin
    policy: Policy = Own(settings, workers) if options.fixed is None else Constant(options.fixed)
    weights = {one.queue: one.weight for one in config.queues.weights}
    with ExitStack() as stack:
        try:
            file = _open(options.trace, stack)
            return simulate(read(_lines(file)), shape, policy, workers, weights)
        except TraceError as error:
            raise Unreadable(f"{options.trace}: {error}") from error
        except UnicodeDecodeError as error:
            raise Unreadable(f"{options.trace}: is not UTF-8: {error.reason}; write it as UTF-8") from error
        except OSError as error:
            raise Unreadable(f"{options.trace}: cannot be read: {error.strerror}") from error


def _open(path: str, stack: ExitStack) -> TextIO:
    if path == "-":
        return sys.stdin
    return stack.enter_context(open(path, encoding="utf-8-sig", newline=""))


def _lines(file: TextIO) -> Iterator[str]:
    """Yield the lines; of one that goes on for ever, only as much as it takes to refuse it."""
    while line := file.readline(LONGEST_LINE + 1):
        yield line


def _draw(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Unreadable(f"the picture {path} cannot be written: {error.strerror}") from error
