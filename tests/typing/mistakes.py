"""What type checkers must refuse: each line that ends in `# E: code` is one error; there are no others."""

from __future__ import annotations

from tqd import Context, Task, TaskQueue

tq = TaskQueue()


@tq.task
async def mail(to: str, *, subject: str = "") -> int:
    return 1


@tq.task(max_retries=3)
def thumbnail(path: str, size: int = 100) -> bytes:
    return b""


@tq.task
def with_context(ctx: Context, number: int) -> float:
    return 1.0


class Report(Task, app=tq):
    pages: int

    def execute(self) -> None: ...


mail.enqueue()  # E: call-arg
mail.enqueue(5)  # E: arg-type
mail.enqueue("a", "b")  # E: call-arg
mail.enqueue("a", sbject="b")  # E: call-arg
mail.using(delay=5).enqueue(5)  # E: arg-type
mail.call(to=5)  # E: arg-type
mail.using(dely=5)  # E: call-arg
mail.using(delay="5")  # E: arg-type
thumbnail.enqueue("a", size="b")  # E: arg-type
thumbnail.enqueue(5)  # E: arg-type
thumbnail.enqueue("a", queue="q")  # E: call-arg
with_context.enqueue("x")  # E: arg-type
with_context.enqueue(5, 6)  # E: call-arg
Report()  # E: call-arg
Report(pages="5")  # E: arg-type
number: int = thumbnail.enqueue("a").result()  # E: assignment
tq.enqueue_many([thumbnail])  # E: list-item
tq.task(timout=5)  # E: call-overload


async def asynchronously() -> None:
    await mail("a", subject=5)  # E: arg-type
    await mail.aenqueue(5)  # E: arg-type
    text: str = await (await mail.aenqueue("a")).result()  # noqa: F841 # E: assignment
    await thumbnail.using(queue="q").aenqueue()  # E: call-arg
