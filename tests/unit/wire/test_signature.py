"""What a handler may be called with, and what happens to values on their way."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag, StrEnum
from functools import partial, wraps
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, NewType, NotRequired, TypedDict
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from tqd.errors import Malformed, Unserialisable
from tqd.wire.envelope import decode_envelope, encode_envelope
from tqd.wire.signature import UNTYPED, Signature

if TYPE_CHECKING:
    from somewhere import Unknown  # type: ignore[import-not-found]


def steady(value: object) -> str:
    """Return a name of a case that is the same in every process: no address, no order of a set."""
    name = type(value).__name__ if isinstance(value, (set, frozenset)) else repr(value)
    return re.sub(r"0x[0-9a-f]+", "…", name)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1


class Mode(StrEnum):
    FAST = "fast"


class Access(IntFlag):
    READ = 1
    WRITE = 2


class Odd(Enum):
    PAIR = (1, 2)
    NONE = None


@dataclass
class Place:
    name: str
    tags: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Tree:
    colour: Colour
    branches: tuple[Tree, ...] = ()
    place: Place | None = None


@dataclass
class City(Place):
    mayor: str = ""


@dataclass
class Picky:
    n: int

    def __post_init__(self) -> None:
        if self.n < 0:
            raise LookupError("negative")


class Point(NamedTuple):
    x: int
    when: date = date(2024, 1, 1)


class Row(TypedDict):
    id: UUID
    colours: NotRequired[list[Colour]]


class User(BaseModel):
    name: str
    roles: set[str] = set()
    born: date | None = None
    score: float = 0.0


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    pair: tuple[int, str]
    email: str = Field(alias="e-mail")


class Login(BaseModel):
    password: SecretStr


UserId = NewType("UserId", UUID)


def travel(annotation: Any, value: Any) -> Any:
    """Send the value to a handler of one parameter, through bytes, and return what arrives."""
    signature = typed(annotation)
    args, kwargs = signature.encode((value,), {})
    envelope = decode_envelope(encode_envelope("t", args, kwargs, "q", 1))
    return signature.decode(envelope.args, envelope.kwargs)[0][0]


def typed(annotation: Any) -> Signature:
    def handler(x): ...  # type: ignore[no-untyped-def]

    handler.__annotations__ = {"x": annotation, "return": annotation}
    return Signature.of(handler)


def send(to: str, subject: str = "", *, retries: int, colour: Colour = Colour.RED) -> None: ...


SUMMER = datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)

SELF_DESCRIBING = [
    None, True, 0, -(2**63), 2**64 - 1, 1.5, "é😀", b"\xff", [1, [2]], {"a": {b"b": None}},
    datetime(2024, 1, 2, 3, 4, 5, 6), datetime.max, datetime(2024, 1, 2, tzinfo=UTC), SUMMER,
    datetime(2024, 1, 2, tzinfo=timezone(timedelta(hours=-3, minutes=-30, microseconds=7))),
    date(1, 1, 1), time(23, 59, 59, 999999, fold=1), time(1, tzinfo=timezone(timedelta(hours=1))),
    time(1, tzinfo=ZoneInfo("Asia/Tokyo")), timedelta.max, timedelta.min, timedelta(microseconds=-1),
    UUID(int=5), Decimal("1.10"), Decimal("-Infinity"), Decimal("1E+99"),
]  # fmt: skip


@pytest.mark.parametrize("value", SELF_DESCRIBING, ids=steady)
def test_a_value_that_describes_itself_travels_without_annotation(value: Any) -> None:
    arrived = travel(Any, value)
    assert arrived == value
    assert type(arrived) is type(value)
    assert repr(arrived) == repr(value)


def test_a_zone_keeps_its_key_and_the_second_of_two_equal_hours() -> None:
    arrived = travel(datetime, SUMMER)
    assert arrived.tzinfo is ZoneInfo("Europe/Berlin")
    assert arrived.fold == 1
    assert arrived.utcoffset() == SUMMER.utcoffset()


ANNOTATED = [
    (tuple[int, ...], (1, 2)), (tuple[int, Colour], (1, Colour.RED)), (tuple[()], ()), (tuple, (1, "a")),
    (set[int], {1, 2}), (frozenset[Colour], frozenset({Colour.BLUE})), (set, {1}),
    (list[Colour], [Colour.RED]), (dict[str, set[int]], {"a": {1}}), (dict[int, str], {1: "a"}),
    (dict[Colour, tuple[int, int]], {Colour.RED: (1, 2)}), (dict[tuple[int, int], date], {(1, 2): date.min}),
    (Colour, Colour.RED), (Size, Size.SMALL), (Mode, Mode.FAST), (Access, Access.READ | Access.WRITE),
    (Odd, Odd.PAIR), (Odd, Odd.NONE), (Place, Place("a", {"b"})),
    (Tree, Tree(Colour.RED, (Tree(Colour.BLUE),), Place("x"))), (Point, Point(1, date(2025, 1, 1))),
    (Row, {"id": UUID(int=1), "colours": [Colour.RED]}), (User, User(name="n", roles={"a"}, born=date.min)),
    (list[User], [User(name="n")]), (Strict, Strict.model_validate({"pair": (1, "a"), "e-mail": "x"})),
    (Colour | None, None), (Colour | None, Colour.RED), (Annotated[set[int], "doc"], {1}),
    (UserId, UUID(int=3)), (Literal["a", "b"], "a"), (Literal[Colour.RED], Colour.RED),
    (Colour | str, "red"), (Colour | str, Colour.RED), (set[int] | list[int] | None, [1]),
    (set[int] | list[int] | None, {1}), (set[int] | list[int] | None, None), (int | str, "a"),
    (Place | Tree, Tree(Colour.RED)), (list[int] | list[Colour], [Colour.RED]), (date | datetime, SUMMER),
    (dict[str, Any] | set[int], {"|": [0, {}]}), (datetime | str, "now"), (City | Place, Place("p")),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value"), ANNOTATED, ids=steady)
def test_a_value_arrives_as_annotated(annotation: Any, value: Any) -> None:
    arrived = travel(annotation, value)
    assert arrived == value
    assert type(arrived) is type(value)


LIST: Any = ["b"]
WRONG = Place("a", LIST)

REFUSED = [
    (Any, {1}, "args[0]: set is not serialisable; annotate the parameter as set[…] or pass a list"),
    (Any, {"a": [1, (2,)]}, 'args[0]["a"][1]: tuple is not serialisable'),
    (int, Size.SMALL, "args[0]: Size is not serialisable; annotate the parameter as Size or pass its value"),
    (Any, Place("a"), "args[0]: Place is not serialisable; annotate the parameter as Place"),
    (Any, Point(1), "args[0]: Point is not serialisable; annotate"),
    (Any, User(name="a"), "args[0]: User is not serialisable; annotate"),
    (Any, bytearray(b"a"), "args[0]: bytearray is not serialisable; pass bytes(value)"),
    (Any, memoryview(b"a"), "args[0]: memoryview is not serialisable; pass bytes(value)"),
    (Any, type("Name", (str,), {})("a"), "args[0]: Name, a subclass of str, would not come back as Name"),
    (Any, object(), "args[0]: object is not serialisable; pass None, bool"),
    (int, 2**64, "args[0]: int is beyond 64 bits"),
    (str, "a\ud800", "args[0]: str has a lone surrogate at index 1"),
    (Any, {"\ud800": 1}, r'args[0]["\ud800"]: str has a lone surrogate'),
    (Any, {"a": {1: 2}}, 'args[0]["a"]: the key 1 is an int, not a str or bytes; annotate'),
    (dict[str, Colour], {1: Colour.RED}, "args[0]: the key 1 is an int"),
    (dict[int, Colour], {1: "red"}, "args[0][1]: expected Colour, got str"),
    (set[int], [1], "args[0]: expected set, got list"),
    (list[set[int]], [{1}, 2], "args[0][1]: expected set, got int"),
    (tuple[int, int], (1,), "args[0]: expected 2 items, got 1"),
    (datetime, "2024-01-01", "args[0]: expected datetime, got str"),
    (datetime, date.min, "args[0]: expected datetime, got date"),
    (Tree, Tree(Colour.RED, place=Place("a", {"1"})), None),
    (Tree, Tree(Colour.RED, place=WRONG), 'args[0]["place"]["tags"]: expected set, got list'),
    (Place, City("a"), "args[0]: City is a subclass of Place, and would come back as one"),
    (Row, {"id": 1}, 'args[0]["id"]: expected UUID, got int'),
    (Row, {}, "args[0]: Row needs its field 'id'"),
    (Login, Login(password=SecretStr("x")), "args[0]: Login does not come back from its own JSON"),
    (User, User(name="a", score=float("nan")), "args[0]: User does not come back from its own JSON"),
    (Colour | set[int], (1,), "args[0]: tuple is not serialisable; annotate"),
    (Colour | set[Colour], {1}, "args[0][0]: expected Colour, got int"),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value", "message"), REFUSED, ids=steady)
def test_a_value_that_would_not_come_back_is_refused_with_its_path(
    annotation: Any, value: Any, message: str | None
) -> None:
    if message is None:
        assert travel(annotation, value) == value
        return
    with pytest.raises(Unserialisable) as caught:
        typed(annotation).encode((value,), {})
    assert str(caught.value).startswith(message)


def test_a_keyword_argument_is_refused_with_its_name() -> None:
    with pytest.raises(Unserialisable, match=r'^kwargs\["when"\]\[0\]: set is not'):
        UNTYPED.encode((), {"when": [{1}]})


def test_a_list_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(Unserialisable, match="nested deeper than 32 containers, or holds itself"):
        UNTYPED.encode((loop,), {})


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_32_containers_may_be_nested_and_no_more() -> None:
    assert travel(Any, nested(32)) == nested(32)
    with pytest.raises(Unserialisable, match="nested deeper"):
        UNTYPED.encode((nested(33),), {})


def test_a_dataclass_that_holds_itself_too_deeply_is_refused() -> None:
    tree = Tree(Colour.RED)
    for _ in range(40):
        tree = Tree(Colour.RED, (tree,))
    with pytest.raises(Unserialisable, match="nested deeper"):
        typed(Tree).encode((tree,), {})


BY_NAME = [
    (tuple[int, ...], [1, 2], (1, 2)), (set[int], [1, 1], {1}), (Colour, "red", Colour.RED),
    (Access, 3, Access.READ | Access.WRITE), (Odd, "PAIR", Odd.PAIR), (Place, {"name": "a"}, Place("a")),
    (User, {"name": "a", "born": date.min}, User(name="a", born=date.min)), (Point, [1], Point(1)),
    (Point, {"x": 2}, Point(2)), (dict[Colour, int], {"red": 1}, {Colour.RED: 1}),
    (Colour | str, "red", Colour.RED), (Place | Tree, {"colour": "red"}, Tree(Colour.RED)),
    (Row, {"id": UUID(int=1)}, {"id": UUID(int=1)}),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "plain", "value"), BY_NAME, ids=steady)
def test_a_task_enqueued_by_name_may_carry_the_plain_equivalent(
    annotation: Any, plain: Any, value: Any
) -> None:
    assert typed(annotation).decode([plain], {}) == ([value], {})


MISFITS = [
    (datetime, "2024-01-01T00:00:00", "args[0]: expected datetime, got str"),
    (Colour, "green", "args[0]: no Colour: ValueError"),
    (Colour, ["red"], "args[0]: expected the value of a member of Colour, got list"),
    (list[Colour], ["red", 1], "args[0][1]: no Colour"),
    (set[Any], [[1]], "args[0]: no set: "),
    (set[int], 1, "args[0]: expected a list for set, got int"),
    (tuple[int, int], [1], "args[0]: expected 2 items, got 1"),
    (Place, {"nam": "a"}, "args[0]: Place has no field 'nam'"),
    (Place, {}, "args[0]: Place needs its field 'name'"),
    (Place, [1], "args[0]: expected a map for Place, got list"),
    (Tree, {"colour": "red", "place": {"name": "a", "tags": 1}}, 'args[0]["place"]["tags"]: expected a list'),
    (Picky, {"n": -1}, "args[0]: no Picky: LookupError: negative"),
    (User, {"nam": 1}, "args[0]: no User: ValidationError"),
    (User, "{", "args[0]: no User: ValidationError"),
    (Point, [1, 2, 3], "args[0]: Point has 2 fields, got 3"),
    (dict[int, Colour], [[1]], "args[0][0]: expected 2 items, got 1"),
    (Place | Tree, {"|": [7, {}]}, "args[0]: index 7 names no member"),
    (Place | Tree, {"|": 7}, 'args[0]: "|" must hold [index, value]'),
    (Place | Tree, 7, "args[0]: expected "),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "plain", "message"), MISFITS, ids=steady)
def test_a_value_that_does_not_fit_its_annotation_is_malformed(
    annotation: Any, plain: Any, message: str
) -> None:
    with pytest.raises(Malformed) as caught:
        typed(annotation).decode([plain], {})
    assert str(caught.value).startswith(message)


BAD_CALLS: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    ((), {"retries": 1}, "send() cannot be called so: missing a required argument: 'to'"),
    (("a",), {}, "send() cannot be called so: missing a required "),
    (("a", "b", "c"), {"retries": 1}, "send() takes 2 positional arguments, 3 given"),
    (("a",), {"retries": 1, "to": "b"}, "send() cannot be called so: multiple values for argument 'to'"),
    (("a",), {"retries": 1, "nope": 1}, "send() cannot be called so: got an unexpected keyword"),
]


@pytest.mark.parametrize(("args", "kwargs", "message"), BAD_CALLS)
def test_a_call_that_python_would_refuse_is_refused_at_both_ends(
    args: tuple[Any, ...], kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        Signature.of(send).encode(args, kwargs)
    assert str(caught.value).startswith(message)
    with pytest.raises(Malformed) as refused:
        Signature.of(send).decode(list(args), kwargs)
    assert str(refused.value).startswith(message)


def test_a_keyword_only_parameter_is_converted() -> None:
    signature = Signature.of(send)
    args, kwargs = signature.encode(("a",), {"retries": 1, "colour": Colour.BLUE})
    assert (args, kwargs) == (["a"], {"retries": 1, "colour": "blue"})
    assert signature.decode(args, kwargs) == (["a"], {"retries": 1, "colour": Colour.BLUE})


def test_every_further_argument_has_the_codec_of_the_star() -> None:
    def handler(first: int, /, *rest: Colour, **named: set[int]) -> None: ...

    signature = Signature.of(handler)
    args, kwargs = signature.encode((1, Colour.RED), {"first": {1}})
    assert (args, kwargs) == ([1, "red"], {"first": [1]})
    assert signature.decode(args, kwargs) == ([1, Colour.RED], {"first": {1}})


def test_a_parameter_that_the_worker_fills_in_is_no_part_of_the_call() -> None:
    def handler(ctx: object, to: str, **others: int) -> None: ...

    signature = Signature.of(handler, skip=frozenset({"ctx"}))
    assert signature.encode(("a",), {}) == (["a"], {})
    with pytest.raises(TypeError, match="gets 'ctx' from the worker"):
        signature.encode(("a",), {"ctx": 1})


def test_an_annotation_that_cannot_be_resolved_spoils_no_other() -> None:
    def handler(a: Unknown, b: set[int]) -> Unknown: ...

    assert Signature.of(handler).encode((1, {2}), {}) == ([1, [2]], {})


def test_a_parameter_whose_default_is_none_may_be_none() -> None:
    def handler(colour: Colour = None) -> None: ...  # type: ignore[assignment]

    assert Signature.of(handler).encode((None,), {}) == ([None], {})


def test_wrapped_partial_and_callable_objects_have_their_function_s_signature() -> None:
    def handler(n: int, colour: Colour) -> None: ...

    @wraps(handler)
    def outer(*args: Any, **kwargs: Any) -> None: ...

    class Job:
        def __call__(self, colour: Colour) -> None: ...

    assert Signature.of(outer).encode((1, Colour.RED), {}) == ([1, "red"], {})
    assert Signature.of(partial(handler, 1)).encode((Colour.RED,), {}) == (["red"], {})
    assert Signature.of(Job()).encode((Colour.RED,), {}) == (["red"], {})


def test_a_class_has_the_signature_of_its_constructor() -> None:
    class Empty: ...

    assert Signature.of(Place).encode(("a", {"b"}), {}) == (["a", ["b"]], {})
    assert Signature.of(Empty).encode((), {}) == ([], {})


def test_a_tagged_union_counts_towards_the_depth() -> None:
    signature = typed(Colour | list[Any])
    assert signature.decode(*signature.encode((nested(30),), {})) == ([nested(30)], {})
    with pytest.raises(Unserialisable, match="nested deeper"):
        signature.encode((nested(31),), {})


def test_an_untyped_call_may_have_any_shape() -> None:
    assert UNTYPED.encode((1, "a"), {"self": 2}) == ([1, "a"], {"self": 2})
    assert UNTYPED.decode([1], {"args": 2}) == ([1], {"args": 2})


def test_a_keyword_that_is_no_text_is_malformed() -> None:
    hostile: dict[Any, Any] = {b"a": 1}
    with pytest.raises(Malformed, match="keyword argument b'a' that is not a str"):
        UNTYPED.decode([], hostile)


def test_plain_annotations_are_not_enforced() -> None:
    assert typed(int).decode(["a"], {}) == (["a"], {})


def test_a_result_travels_by_the_return_annotation() -> None:
    signature = typed(tuple[Colour, int])
    assert signature.encode_result((Colour.RED, 1)) == ["red", 1]
    assert signature.decode_result(["red", 1]) == (Colour.RED, 1)


def test_a_result_without_annotation_is_refused_with_its_path() -> None:
    with pytest.raises(Unserialisable, match=r'^result\["a"\]: set is not'):
        UNTYPED.encode_result({"a": {1}})
    with pytest.raises(Malformed, match=r"^result: expected datetime"):
        typed(datetime).decode_result("now")


def test_hostile_nesting_of_an_untagged_union_costs_no_more_than_its_size() -> None:
    value: Any = {"n": 1}
    for _ in range(31):
        value = {"left": value}
    with pytest.raises(Malformed):
        typed(Left | Right).decode([value], {})


@dataclass
class Left:
    left: Left | Right | None = None


@dataclass
class Right:
    left: Left | Right | None = None
