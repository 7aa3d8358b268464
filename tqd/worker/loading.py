"""Importing the user's app: the module, its TaskQueue, and further modules with tasks."""

from __future__ import annotations

import difflib
import importlib
import sys
import traceback
from types import ModuleType

from tqd.client.task_queue import TaskQueue
from tqd.errors import BootError


def load_app(path: str, modules: tuple[str, ...], directory: str) -> TaskQueue:
    """Return the TaskQueue that `module:attr` names, with all its tasks declared.

    Without `:attr` the module must hold exactly one. `directory` is searched first, as Python does
    for scripts. BootError says what is wrong, with the traceback when an import raised.
    """
    if sys.path[:1] != [directory]:
        sys.path.insert(0, directory)
    # The master, from which this process was forked, may have seen the folders as they were before.
    importlib.invalidate_caches()
    if not path:
        raise BootError("no app is named: the daemon needs one to know the tasks; pass --app module:attr")
    module_name, _, attribute = path.partition(":")
    module = _import(module_name, path)
    queue = _attribute(module, attribute) if attribute else _only_queue(module)
    for name in modules:
        _import(name, "tasks.modules")
    queue.adopt_class_tasks()
    if not len(queue.registry):
        raise BootError(
            f"{path} declares no task: a worker would have nothing to run; add @tq.task functions"
        )
    return queue


def _import(name: str, wanted_by: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise BootError(
                f'module "{name}" (from {wanted_by}) is not found: it must be importable from '
                f"{sys.path[0]} or be installed; check the spelling and the working directory"
            ) from error
        raise BootError(_failed(name, wanted_by)) from error
    except BaseException as error:
        # An app may raise anything while it is imported, SystemExit too.
        raise BootError(_failed(name, wanted_by)) from error


def _failed(name: str, wanted_by: str) -> str:
    return f'importing "{name}" (from {wanted_by}) failed:\n{_own_frames(traceback.format_exc())}'


def _own_frames(trace: str) -> str:
    # The frames of importlib and of this module tell nobody anything.
    lines = trace.splitlines()
    kept: list[str] = []
    skip = False
    for line in lines:
        if line.startswith('  File "'):
            skip = "importlib" in line or __file__ in line
        elif not line.startswith("    "):
            skip = False
        if not skip:
            kept.append(line)
    return "\n".join(kept)


def _attribute(module: ModuleType, attribute: str) -> TaskQueue:
    value = getattr(module, attribute, None)
    if isinstance(value, TaskQueue):
        return value
    found = _queues(module)
    near = difflib.get_close_matches(attribute, dir(module), 1)
    hint = f"; the module has {', '.join(found)}" if found else f"; did you mean {near[0]}?" if near else ""
    what = "is no TaskQueue" if hasattr(module, attribute) else "does not exist"
    raise BootError(f'"{attribute}" in module "{module.__name__}" {what}{hint}')


def _only_queue(module: ModuleType) -> TaskQueue:
    found = _queues(module)
    if len(found) == 1:
        return getattr(module, found[0])  # type: ignore[no-any-return]
    many = f"has {len(found)} ({', '.join(found)})" if found else "has none"
    raise BootError(f'module "{module.__name__}" {many}: name its TaskQueue, like {module.__name__}:tq')


def _queues(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if isinstance(value, TaskQueue)]
