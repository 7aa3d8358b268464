"""Handlers and their registry."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest

import tqd
from tqd.app import Handler, Registry, default_name, is_asynchronous
from tqd.errors import RegistrationError
from tqd.task.context import Context
from tqd.task.model import NO_OPTIONS

if TYPE_CHECKING:
    from somewhere import Unknown  # type: ignore[import-not-found]

CONTEXT = Context(id="x", name="n", queue="q", attempt=1, fence=1, enqueued_ms=0, deadline=None)


def first(ctx: Context, a: int, b: int = 0) -> Any:
    return ctx, a, b


def last(a: int, b: int = 0, ctx: Context | None = None) -> Any:
    return ctx, a, b


def middle(a: int, ctx: tqd.Context, b: int = 0) -> Any:
    return ctx, a, b


def keyword(a: int, *, b: int = 0, ctx: Context) -> Any:
    return ctx, a, b


def beside_unknown(ctx: Context, a: Unknown, b: int = 0) -> Any:
    return ctx, a, b


def without(a: int, b: int = 0) -> Any:
    return a, b


def handler(function: Any, name: str = "job") -> Handler:
    return Handler(name, function, NO_OPTIONS)


@pytest.mark.parametrize("function", [first, middle, keyword, beside_unknown])
def test_the_context_is_found_by_its_annotation(function: Any) -> None:
    assert handler(function).context_parameter == "ctx"
    assert handler(without).context_parameter is None


@pytest.mark.parametrize("function", [first, middle, keyword, beside_unknown])
@pytest.mark.parametrize(("args", "kwargs"), [((1,), {"b": 2}), ((), {"a": 1, "b": 2})])
def test_the_context_is_put_where_the_function_wants_it(
    function: Any, args: tuple[int, ...], kwargs: dict[str, int]
) -> None:
    made = handler(function)
    sent_args, sent_kwargs = made.signature.encode(args, kwargs)
    args_, kwargs_ = list(sent_args), dict(sent_kwargs)
    made.inject(CONTEXT, args_, kwargs_)
    assert function(*args_, **kwargs_) == (CONTEXT, 1, 2)


@pytest.mark.parametrize("function", [first, middle])
def test_the_context_is_put_between_positional_arguments(function: Any) -> None:
    args: list[int] = [1, 2]
    kwargs: dict[str, Any] = {}
    handler(function).inject(CONTEXT, args, kwargs)
    assert function(*args, **kwargs) == (CONTEXT, 1, 2)


def test_options_are_complete() -> None:
    assert handler(without).options.max_retries == 3


def test_coroutine_functions_are_told_through_partials_and_objects() -> None:
    async def coroutine() -> None: ...

    class Callable:
        async def __call__(self) -> None: ...

    assert is_asynchronous(coroutine)
    assert is_asynchronous(functools.partial(functools.partial(coroutine)))
    assert is_asynchronous(Callable())
    assert not is_asynchronous(without)
    assert not is_asynchronous(len)


def test_a_default_name_has_no_locals() -> None:
    def inner() -> None: ...

    assert default_name(without) == f"{__name__}.without"
    assert default_name(inner) == f"{__name__}.test_a_default_name_has_no_locals.inner"


def test_a_registry_knows_its_handlers_by_name() -> None:
    registry = Registry()
    registry.add(handler(without, "a"))
    registry.add(handler(first, "b"))
    assert [one.name for one in registry] == ["a", "b"]
    assert len(registry) == 2
    assert registry.get("c") is None


def test_two_functions_of_one_name_clash_and_are_both_named() -> None:
    registry = Registry()
    registry.add(handler(without))
    with pytest.raises(RegistrationError, match=r'named "job": .*without and .*first; .*name=…'):
        registry.add(handler(first))


def test_the_same_definition_executed_again_replaces_the_older_one() -> None:
    def define() -> Any:
        def inner() -> None: ...

        return inner

    registry, newer = Registry(), define()
    registry.add(handler(define()))
    registry.add(handler(newer))
    found = registry.get("job")
    assert found is not None and found.function is newer


def yields() -> Any:
    yield 1


async def yields_asynchronously() -> Any:
    yield 1


class Yielding:
    def __call__(self) -> Any:
        yield 1


@pytest.mark.parametrize("function", [yields, yields_asynchronously, functools.partial(yields), Yielding()])
def test_a_generator_is_refused_as_its_body_would_never_run(function: Any) -> None:
    with pytest.raises(RegistrationError, match="is a generator, and a call of it runs nothing"):
        handler(function)


def test_a_class_whose_execute_is_a_generator_is_refused() -> None:
    with pytest.raises(RegistrationError, match="execute is a generator"):

        class Yields(tqd.Task):
            def execute(self) -> Any:
                yield 1
