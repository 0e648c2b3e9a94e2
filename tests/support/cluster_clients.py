"""Clients of clusters, as settings make them from CACHE_URL."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.test import override_settings

from core.valkey import Cluster, Pool, ValkeyUnavailable, cache_valkey
from devstack.urls import cluster_of
from socialfeed.settings import stores
from tests.support.clusters import Servers

# One for each of three servers, by chance.
KEYS = [f"value:{{{number}}}" for number in range(30)]


@contextmanager
def configured(url: str, pool: type[Pool] = Pool, **options: Any) -> Iterator[None]:
    """CACHE_URL is this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores, "_cluster", lambda name: cluster_of(url))
        config = stores._cache(url)
    config["OPTIONS"] |= {"CONNECTION_POOL_CLASS": f"core.valkey.{pool.__name__}", **options}
    with override_settings(CACHES={"default": config, "cache": config}):
        yield


@contextmanager
def connected(servers: Servers, pool: type[Pool] = Pool, **options: Any) -> Iterator[Cluster]:
    """CACHE is this cluster, by its URL alone."""
    with configured(servers.url, pool, **options):
        client = cache_valkey()
        assert isinstance(client, Cluster)
        yield client
        client.close()


def is_answered(command: Callable[[], object]) -> bool:
    try:
        command()
    except ValkeyUnavailable:
        return False
    return True
