"""What a connection is made with: the URL's password, else the one that was handed over."""

from __future__ import annotations

from typing import Any

import pytest
from redis import connection as sync_redis
from redis.asyncio import connection as async_redis

from tqd.store.connection import Endpoint, settings_of

SECRET = "a:b@c/d?e#f%41 é"


def settings(url: str, password: str = SECRET) -> dict[str, Any]:
    endpoint = Endpoint(url, password=password)
    one = settings_of(endpoint, sync_redis.parse_url, sync_redis.Connection)
    other = settings_of(endpoint, async_redis.parse_url, async_redis.Connection)
    assert one.get("password") == other.get("password")
    return one


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "rediss://h:1/2",
        "unix:///run/redis.sock?db=1",
        "redis://user@h",
        "redis://@h",
        "redis://:@h",
    ],
)
def test_a_url_without_a_password_gets_the_one_handed_over_as_it_is(url: str) -> None:
    assert settings(url)["password"] == SECRET


def test_the_user_of_the_url_stays() -> None:
    assert settings("redis://user@h")["username"] == "user"


@pytest.mark.parametrize("url", ["redis://:own@h", "redis://user:own@h", "unix:///s?password=own"])
def test_a_url_with_a_password_keeps_its_own(url: str) -> None:
    assert settings(url)["password"] == "own"


def test_without_any_there_is_none() -> None:
    assert not settings("redis://h", password="").get("password")


def test_the_password_is_no_part_of_what_is_shown() -> None:
    endpoint = Endpoint("redis://user@h", password=SECRET)
    assert endpoint.url == "redis://user@h"
    assert SECRET not in str(endpoint) + repr(endpoint)


def test_files_for_tls_go_to_a_connection_with_tls_and_those_of_the_url_win() -> None:
    files = {"ssl_ca_certs": "/ca.pem", "ssl_certfile": "/cert.pem"}

    def made(url: str) -> dict[str, Any]:
        endpoint = Endpoint(url, tls=files)
        return settings_of(endpoint, async_redis.parse_url, async_redis.Connection)

    assert made("rediss://h").items() >= files.items()
    assert made("rediss://h?ssl_ca_certs=/other.pem")["ssl_ca_certs"] == "/other.pem"
    assert "ssl_ca_certs" not in made("redis://h")
