"""The way of a verb to Redis: the one that a start with the same file, environment and flags would use."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import TypeVar

from tqd.cli.main import given
from tqd.config.load import load
from tqd.config.model import Config
from tqd.config.secret import check_tls_files, read_password
from tqd.errors import StoreUnavailable
from tqd.store.connection import Endpoint, SyncLink
from tqd.store.keys import Keys
from tqd.store.talk import Talk, lead
from tqd.system.runtime import choose
from tqd.system.usage import cores

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where Redis is, what our keys are called, and the configuration that says so."""

    config: Config
    endpoint: Endpoint
    keys: Keys

    def lead(self, talk: Talk[T]) -> T:
        """Carry a conversation out; StoreUnavailable says how the URL was found when nobody chose it."""
        link = SyncLink(self.endpoint)
        try:
            return lead(link, talk)
        except StoreUnavailable as error:
            if self.config.explicit("redis.url") or self.config.redis.embedded:
                raise
            hint = "no redis.url is set: name the one of your TaskQueue with --redis-url"
            raise StoreUnavailable(f"{error}; {hint}") from error
        finally:
            link.close()


def access(options: argparse.Namespace) -> Access:
    """Return the way to Redis; ConfigError when the settings cannot be used."""
    config = load(options.config, os.environ, given(options), cores())
    redis = config.redis
    url = redis.url
    if redis.embedded:
        url = f"unix://{choose(config.daemon.runtime_dir, os.environ).redis_socket}"
    password = "" if redis.embedded else read_password(config, os.environ)
    check_tls_files(config)
    endpoint = Endpoint.configured(redis, url, password)
    return Access(config=config, endpoint=endpoint, keys=Keys(redis.namespace))
