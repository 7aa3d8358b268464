"""Importing the user's app: what is found, and what is said when it is not."""

from __future__ import annotations

import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tqd import BootError, TaskQueue
from tqd.client.task_class import UNCLAIMED
from tqd.worker.loading import load_app

GOOD = """
    from tqd import TaskQueue
    tq = TaskQueue()
    @tq.task
    async def work(): ...
"""
_numbers = itertools.count()


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Write a module of a fresh name; returns the name. What was imported is forgotten afterwards."""
    modules, path, unclaimed = set(sys.modules), list(sys.path), list(UNCLAIMED)

    def write(source: str, name: str = "") -> str:
        name = name or f"shop{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        return name

    yield write
    sys.path[:] = path
    UNCLAIMED[:] = unclaimed
    for name in set(sys.modules) - modules:
        if "shop" in name:
            del sys.modules[name]


Write = Callable[..., str]


def load(directory: Path, path: str, *modules: str) -> TaskQueue:
    return load_app(path, modules, str(directory))


def refusal(directory: Path, path: str, *modules: str) -> str:
    with pytest.raises(BootError) as caught:
        load(directory, path, *modules)
    return str(caught.value)


def test_the_named_queue_is_loaded_with_its_tasks(tmp_path: Path, write: Write) -> None:
    name = write(GOOD)
    assert [handler.name for handler in load(tmp_path, f"{name}:tq").registry] == [f"{name}.work"]


def test_the_directory_comes_before_all_other_places(tmp_path: Path, write: Write) -> None:
    name = write(GOOD)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / f"{name}.py").write_text("raise RuntimeError('another module of this name')\n")
    sys.path[:0] = [str(elsewhere), str(tmp_path)]
    assert len(load(tmp_path, f"{name}:tq").registry) > 0
    before = list(sys.path)
    load(tmp_path, f"{name}:tq")
    assert sys.path == before, "and is not put there again"


def test_a_directory_is_taken_as_it_is_named(tmp_path: Path, write: Write) -> None:
    """A link to the current release must stay the link: it shows another folder later."""
    name = write(GOOD)
    link = tmp_path / "current"
    link.symlink_to(tmp_path)
    load_app(f"{name}:tq", (), str(link))
    assert sys.path[0] == str(link)
    assert sys.modules[name].__file__ == str(link / f"{name}.py")


def test_further_modules_declare_further_tasks(tmp_path: Path, write: Write) -> None:
    app = write("from tqd import TaskQueue\ntq = TaskQueue()\n")
    more = write(f"from {app} import tq\n@tq.task(name='more')\ndef more(): ...\n")
    assert [handler.name for handler in load(tmp_path, f"{app}:tq", more).registry] == ["more"]


def test_class_tasks_without_a_queue_are_taken_in(tmp_path: Path, write: Write) -> None:
    app = write("""
        from tqd import Task, TaskQueue
        tq = TaskQueue()
        class Report(Task, name="shop-report"):
            day: str
            async def execute(self): ...
    """)
    assert "shop-report" in [handler.name for handler in load(tmp_path, f"{app}:tq").registry]


def test_no_app_is_said(tmp_path: Path) -> None:
    assert "--app" in refusal(tmp_path, "")


def test_a_module_that_is_not_there_is_named_without_a_traceback(tmp_path: Path) -> None:
    text = refusal(tmp_path, "shop_that_is_missing:tq")
    assert '"shop_that_is_missing"' in text and "Traceback" not in text and str(tmp_path) in text


def test_a_module_missing_inside_a_package_is_named(tmp_path: Path, write: Write) -> None:
    text = refusal(tmp_path, "shop_that_is_missing.tasks:tq")
    assert "shop_that_is_missing.tasks" in text and "Traceback" not in text


def test_what_the_app_itself_cannot_import_comes_with_the_traceback(tmp_path: Path, write: Write) -> None:
    name = write("import parts_that_are_missing\n")
    text = refusal(tmp_path, f"{name}:tq")
    assert "Traceback" in text and f"{name}.py" in text
    assert "No module named 'parts_that_are_missing'" in text


def test_the_traceback_of_an_import_shows_the_users_frames_only(tmp_path: Path, write: Write) -> None:
    inner = write("def build():\n    return 1 / 0\n")
    name = write(f"import {inner}\n{inner}.build()\n")
    text = refusal(tmp_path, f"{name}:tq")
    assert "ZeroDivisionError" in text and "in build" in text and "return 1 / 0" in text
    assert "importlib" not in text and "loading.py" not in text


def test_an_error_with_a_cause_shows_both(tmp_path: Path, write: Write) -> None:
    name = write("""
        try:
            {}["key"]
        except KeyError as error:
            raise RuntimeError("no settings") from error
    """)
    text = refusal(tmp_path, f"{name}:tq")
    assert "KeyError: 'key'" in text and "RuntimeError: no settings" in text
    assert "direct cause" in text


@pytest.mark.parametrize("what", ["SystemExit(0)", "KeyboardInterrupt()", "BaseException('odd')"])
def test_an_app_that_leaves_while_it_is_imported_is_a_boot_error(
    tmp_path: Path, write: Write, what: str
) -> None:
    name = write(f"raise {what}\n")
    assert what.partition("(")[0] in refusal(tmp_path, f"{name}:tq")


def test_a_syntax_error_is_shown_with_its_line(tmp_path: Path, write: Write) -> None:
    name = write("x = 1\ndef (:\n")
    text = refusal(tmp_path, f"{name}:tq")
    assert "SyntaxError" in text and "line 2" in text and "def (:" in text


def test_a_missing_attribute_is_told_with_what_there_is(tmp_path: Path, write: Write) -> None:
    name = write(GOOD)
    text = refusal(tmp_path, f"{name}:qt")
    assert '"qt"' in text and "does not exist" in text and "has tq" in text


def test_a_missing_attribute_is_told_with_a_near_name(tmp_path: Path, write: Write) -> None:
    name = write("queue_of_tasks = 1\n")
    assert "did you mean queue_of_tasks?" in refusal(tmp_path, f"{name}:queue_of_task")


def test_an_attribute_of_another_kind_is_told(tmp_path: Path, write: Write) -> None:
    name = write(GOOD + "    other = 5\n")
    assert "is no TaskQueue" in refusal(tmp_path, f"{name}:other")


def test_an_app_without_tasks_is_refused(tmp_path: Path, write: Write) -> None:
    name = write("from tqd import TaskQueue\ntq = TaskQueue()\n")
    text = refusal(tmp_path, f"{name}:tq")
    assert "declares no task" in text and "@tq.task" in text


def test_a_further_module_that_fails_is_named(tmp_path: Path, write: Write) -> None:
    name = write(GOOD)
    bad = write("1 / 0\n")
    text = refusal(tmp_path, f"{name}:tq", bad)
    assert f'"{bad}"' in text and "tasks.modules" in text and "ZeroDivisionError" in text
