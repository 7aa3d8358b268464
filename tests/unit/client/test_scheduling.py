"""Schedules as they are declared: what is registered, and what is refused where it is written."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from tqd import Context, RegistrationError, Task, TaskQueue
from tqd.client.task_function import TaskFunction
from tqd.schedule.entry import MAX_ENTRIES, CatchUp, Entry


@pytest.fixture
def tq() -> TaskQueue:
    return TaskQueue()


def names(tq: TaskQueue) -> list[str]:
    return [entry.name for entry in tq.registry.schedules()]


# -- declaring ------------------------------------------------------------------------------------


def test_a_schedule_goes_above_a_task(tq: TaskQueue) -> None:
    @tq.cron("*/5 * * * *", tz="Europe/Vienna", catch_up="all", catch_up_limit=7, name="often")
    @tq.task(name="report", queue="low")
    async def report() -> None: ...

    assert tq.registry.schedules() == [
        Entry(
            name="often", task="report", queue="low", spec="*/5 * * * *", tz="Europe/Vienna",
            catch_up=CatchUp.ALL, catch_up_limit=7, args=[], kwargs={},
        )
    ]  # fmt: skip
    assert report.name == "report"


def test_above_a_plain_function_it_makes_a_task_of_it(tq: TaskQueue) -> None:
    @tq.every("30s")
    def sweep(ctx: Context, deep: bool = False) -> int:
        return 1

    (entry,) = tq.registry.schedules()
    assert entry.task == f"{__name__}.test_above_a_plain_function_it_makes_a_task_of_it.sweep"
    assert (entry.name, entry.spec) == (f"{entry.task} every 30s", "every 30s")
    assert tq.registry.get(entry.task) is not None
    assert isinstance(sweep, TaskFunction)


def test_a_task_may_have_several_with_arguments_of_their_own(tq: TaskQueue) -> None:
    @tq.every(timedelta(hours=1), args=[1], name="small")
    @tq.every(3600, args=[2], kwargs={"deep": True}, name="large")
    @tq.cron("@daily", args=[3])
    @tq.task(name="sweep")
    async def sweep(size: int, *, deep: bool = False) -> None: ...

    found = {entry.name: (entry.args, entry.kwargs) for entry in tq.registry.schedules()}
    assert found == {"sweep @daily": ([3], {}), "large": ([2], {"deep": True}), "small": ([1], {})}


def test_a_class_task_has_its_fields_as_arguments(tq: TaskQueue) -> None:
    @tq.every("1h", kwargs={"day": "monday"})
    class Report(Task, app=tq, name="report"):
        day: str

        def execute(self) -> None: ...

    assert Report(day="x").day == "x"
    (entry,) = tq.registry.schedules()
    assert (entry.task, entry.kwargs) == ("report", {"day": "monday"})


def test_below_a_task_it_takes_over_the_queue_of_that_declaration(tq: TaskQueue) -> None:
    @tq.task(queue="low")
    @tq.every("1h")
    async def late() -> None: ...

    (entry,) = tq.registry.schedules()
    assert entry.queue == "low"


def test_a_zone_may_be_given_as_an_object(tq: TaskQueue) -> None:
    @tq.cron("0 3 * * *", tz=ZoneInfo("Europe/Vienna"))
    async def nightly() -> None: ...

    (entry,) = tq.registry.schedules()
    assert entry.tz == "Europe/Vienna"


def test_arguments_are_those_of_the_moment_of_the_declaration(tq: TaskQueue) -> None:
    rows = [1]

    @tq.every("1h", args=[rows])
    async def later(rows: list[int]) -> None: ...

    rows.append(2)
    (entry,) = tq.registry.schedules()
    assert entry.args == [[1]]


def test_a_unique_task_has_the_key_of_these_arguments(tq: TaskQueue) -> None:
    @tq.every("1h", args=[1], name="one")
    @tq.every("1h", args=[2], name="two")
    @tq.task(name="report", unique=True, unique_scope="until_started")
    async def report(day: int) -> None: ...

    one, two = tq.registry.schedules()
    assert one.held != two.held
    assert one.held.startswith(b"sreport\0#")

    @tq.every("1h")
    @tq.task(name="sweep", unique="k")
    async def sweep() -> None: ...

    assert tq.registry.schedules()[-1].held == b"dsweep\0=k"


def test_a_limited_task_has_the_key_of_these_arguments(tq: TaskQueue) -> None:
    @tq.every("1h", args=["acme"])
    @tq.task(limit_by="customer")
    async def report(customer: str) -> None: ...

    (entry,) = tq.registry.schedules()
    assert entry.limit_key == "acme"

    @tq.task(limit_by="tags")
    async def sweep(tags: list[str]) -> None: ...

    with pytest.raises(RegistrationError, match="limit_by tags: a list is no limit key"):
        tq.every("1h", args=[["a"]])(sweep)


def test_the_same_declaration_again_is_the_same_schedule(tq: TaskQueue) -> None:
    def sweep() -> None: ...

    tq.every("1h")(sweep)
    tq.every(3600)(sweep)
    assert len(names(tq)) == 1


# -- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expression": "61 * * * *"}, 'no valid minute, "61"'),
        ({"tz": "Europe/Viena"}, "did you mean Europe/Vienna"),
        ({"catch_up": "sometimes"}, "it is one of skip, once, all"),
        ({"catch_up_limit": 0}, "from 1 to 1000"),
        ({"catch_up_limit": True}, "from 1 to 1000"),
        ({"catch_up_limit": 1001}, "from 1 to 1000"),
    ],
)
def test_what_cannot_be_is_refused_before_there_is_a_task(
    tq: TaskQueue, options: dict[str, object], message: str
) -> None:
    given: dict[str, object] = {"expression": "* * * * *"} | options
    with pytest.raises(RegistrationError, match=message):
        tq.cron(given.pop("expression"), **given)  # type: ignore[arg-type]
    assert len(tq.registry) == 0


def test_an_interval_that_is_none_is_refused(tq: TaskQueue) -> None:
    with pytest.raises(RegistrationError, match="'soon' is none"):
        tq.every("soon")


def test_required_arguments_must_be_given(tq: TaskQueue) -> None:
    @tq.task(name="report")
    async def report(day: str) -> None: ...

    with pytest.raises(RegistrationError, match=r'schedule "report every 1h": .*\'day\'; pass .* as args='):
        tq.every("1h")(report)
    with pytest.raises(RegistrationError, match="got an unexpected keyword argument"):
        tq.every("1h", kwargs={"day": "x", "night": "y"})(report)
    assert names(tq) == []


def test_arguments_must_be_able_to_travel(tq: TaskQueue) -> None:
    @tq.task(name="report")
    async def report(day: object) -> None: ...

    with pytest.raises(RegistrationError, match=r"args\[0\]: object is not serialisable"):
        tq.every("1h", args=[object()])(report)
    with pytest.raises(RegistrationError, match="limit 1,048,576"):
        tq.every("1h", args=["x" * 1_048_576])(report)


def test_two_schedules_of_one_name_are_refused(tq: TaskQueue) -> None:
    @tq.every("1h", args=[1])
    @tq.task(name="report")
    async def report(day: int) -> None: ...

    with pytest.raises(RegistrationError, match=r'two schedules are named "report every 1h".*name='):
        tq.every("1h", args=[2])(report)


@pytest.mark.parametrize("name", ["", "x" * 201, "two\nlines", "\x1b[31m"])
def test_a_name_can_be_printed_in_one_line(tq: TaskQueue, name: str) -> None:
    with pytest.raises(RegistrationError, match="1 to 200 characters"):
        tq.every("1h", name=name)(lambda: None)


def test_an_app_has_a_thousand_schedules_and_not_one_more(tq: TaskQueue) -> None:
    @tq.task(name="report")
    async def report() -> None: ...

    for number in range(MAX_ENTRIES):
        tq.every("1h", name=str(number))(report)
    tq.every("1h", name="0")(report)
    with pytest.raises(RegistrationError, match="one too many"):
        tq.every("1h", name="more")(report)
