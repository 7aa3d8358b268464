"""Which refusals of Redis are for the time being, and what is said of them."""

from __future__ import annotations

import pytest

from tqd.store.refusals import described, refuses_for_now, remedy

DISK = (
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. "
    "Commands that may modify the data set are disabled, because this instance is configured to report errors"
)
IN_A_SCRIPT = "Error running script (call to f_1db2): @user_script:33: @user_script: 33: -{}"
REFUSALS = (
    DISK,
    "NOREPLICAS Not enough good replicas to write. script: 1db2, on @user_script:33.",
    "READONLY You can't write against a read only replica.",
    "LOADING Redis is loading the dataset in memory",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
)


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_for_the_time_being_is_one_also_inside_a_script_of_redis_62(text: str) -> None:
    assert refuses_for_now(text)
    assert refuses_for_now(IN_A_SCRIPT.format(text))


@pytest.mark.parametrize(
    "text",
    [
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "ERR unknown command 'READONLY '",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "NOPERM this user has no permissions to run the 'evalsha' command",
    ],
)
def test_any_other_refusal_is_for_good(text: str) -> None:
    assert not refuses_for_now(text)


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (DISK, "cannot be used now: MISCONF Redis is configured to save RDB snapshots, but it's currently "
         "unable to persist to disk; it cannot save: look for a full disk or an error in its log"),
        (IN_A_SCRIPT.format(REFUSALS[1]), "cannot be used now: NOREPLICAS Not enough good replicas to write; "
         "bring its replicas back, or lower min-replicas-to-write"),
        ("You can't write against a read only replica. script: 1db2, on @user_script:33.",
         "cannot be used now: You can't write against a read only replica; point redis.url at the master"),
        ("max number of clients reached", "takes no more connections: max number of clients reached; "
         "raise its maxclients, or close some"),
        ("Connection refused", "cannot be reached: Connection refused; is it running, is the URL right?"),
    ],
)  # fmt: skip
def test_what_is_said_names_the_reason_and_what_to_do(reason: str, text: str) -> None:
    assert described(reason) == text


@pytest.mark.parametrize(
    ("refusal", "do"),
    [
        ("WRONGTYPE Operation against a key holding the wrong kind of value", "tqd doctor --audit names it"),
        ("NOPERM this user has no permissions to run the 'evalsha' command", "tqd doctor --acl USER prints"),
        ("this user has no permissions to access one of the keys", "tqd doctor --acl USER prints"),
    ],
)
def test_a_refusal_for_good_says_who_knows_more(refusal: str, do: str) -> None:
    assert remedy(refusal).startswith("; ") and do in remedy(refusal)
    assert remedy("ERR unknown command") == ""
