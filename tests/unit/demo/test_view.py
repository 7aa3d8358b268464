"""The live view: what it shows, in 80 columns and 22 lines, with blocks and without."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tqd.cli.demo_screen import Screen
from tqd.cli.demo_view import Happening, Picture, Tone, frame, sentence


def worker(label: str, state: str = "ready", busy: int | None = 3) -> dict[str, Any]:
    slots = None if busy is None else 16
    return {
        "id": label, "pid": 4_194_304, "state": state, "slots": slots, "busy": busy,
        "done": None if busy is None else 1_234_567, "rss_bytes": None if busy is None else 33_554_432,
    }  # fmt: skip


def picture(**changes: Any) -> Picture:
    queue_names = ("high_priority", "default", "low_priority")
    fields: dict[str, Any] = {
        "elapsed_s": 4.2, "total": 2_000, "enqueued": 1_500, "done": 1_000, "per_s": 412.4, "running": 12,
        "retried": 7, "recovered": 9,
        "status": {
            "workers": [worker("worker-1"), worker("worker-2", "starting", None)],
            "queues": [{"name": name, "ready": 120_000, "scheduled": 34} for name in queue_names],
        },
        "happenings": [Happening(n / 10, f"event {n} " + "x" * 90) for n in range(9)],
    }  # fmt: skip
    return Picture(**(fields | changes))


def test_the_frame_fits_a_small_terminal() -> None:
    lines = frame(picture(), 79, blocks=True)
    assert len(lines) <= 22
    assert max(len(line.text) for line in lines) <= 79


def test_the_frame_shows_progress_workers_queues_and_the_last_events() -> None:
    texts = [line.text for line in frame(picture(), 79, blocks=True)]
    assert texts[0].startswith("█" * 15 + "░" * 15 + "  50%  1,000 of 2,000 done")
    assert any(text.split()[:4] == ["worker-1", "4194304", "ready", "3/16"] for text in texts)
    assert any(text.split()[:4] == ["worker-2", "4194304", "starting", "-"] for text in texts)
    assert any(text.split() == ["default", "120,000", "34"] for text in texts)
    assert "event 8" in texts[-1] and "event 2" not in "".join(texts)


def test_a_worker_that_is_not_ready_stands_out() -> None:
    tones = {line.text.split()[0]: line.tone for line in frame(picture(), 79, blocks=True) if line.text}
    assert (tones["worker-1"], tones["worker-2"]) == (Tone.PLAIN, Tone.BAD)


def test_without_blocks_the_frame_is_ascii() -> None:
    assert "".join(line.text for line in frame(picture(), 79, blocks=False)).isascii()


def test_an_empty_plan_is_complete() -> None:
    assert "100%" in frame(picture(total=0, done=0), 79, blocks=True)[0].text


def test_the_plain_line_says_the_same() -> None:
    line = sentence(picture())
    assert "1,000 of 2,000 done, 412/s, 12 running, 360,000 waiting, 102 for later" in line
    assert "worker-1 3/16, worker-2 -/-" in line


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_frames_over_each_other_and_its_cursor_back() -> None:
    terminal = Terminal()
    screen = Screen(terminal, {"TERM": "xterm"}, plain=False)
    screen.show(picture())
    rows = terminal.getvalue().count("\n")
    screen.show(picture())
    screen.close()
    assert f"\x1b[{rows}A" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[?25h")


@pytest.mark.parametrize(
    ("environ", "coloured"), [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False)]
)
def test_no_color_is_honoured(environ: dict[str, str], coloured: bool) -> None:
    terminal = Terminal()
    Screen(terminal, environ, plain=False).show(picture())
    assert ("\x1b[1m" in terminal.getvalue()) is coloured


@pytest.mark.parametrize(
    ("stream", "environ", "plain"),
    [(io.StringIO(), {"TERM": "xterm"}, False), (Terminal(), {"TERM": "xterm"}, True),
     (Terminal(), {"TERM": "dumb"}, False)],
)  # fmt: skip
def test_everything_else_gets_lines(stream: io.StringIO, environ: dict[str, str], plain: bool) -> None:
    screen = Screen(stream, environ, plain=plain)
    screen.show(picture(happenings=[Happening(0.1, "ready")]))
    screen.show(picture(elapsed_s=4.3, happenings=[Happening(0.1, "ready"), Happening(4.3, "killed")]))
    screen.show(picture(elapsed_s=5.3, happenings=[]))
    screen.close()
    lines = stream.getvalue().splitlines()
    assert [line.partition(" s  ")[2].partition(" of")[0] for line in lines] == [
        "ready",
        "1,000",
        "killed",
        "1,000",
    ]
    assert "\x1b[?25" not in stream.getvalue()
