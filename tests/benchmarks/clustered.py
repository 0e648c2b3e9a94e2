"""CACHE on a Valkey Cluster of three primaries, against one server."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

import psutil
from django.test import override_settings

from devstack.urls import cluster_of
from socialfeed.settings import stores
from tests.benchmarks.deliveries import CAP, Audience
from tests.benchmarks.figures import Figure
from tests.benchmarks.population import add_posts, warm
from tests.benchmarks.requests import Bench
from tests.benchmarks.servers import compare, cores_apart, cpu_seconds, read_api
from tests.support.clusters import Servers

FOLLOWERS = 10_000
ONE_SERVER = "one server"


def clustered(bench: Bench) -> Iterator[Figure]:
    """Home reads and deliveries; the latter also with a replica for each primary."""
    for replicas in (0, 3):
        with _cluster(replicas) as servers:
            if not replicas:
                yield _home(bench, servers)
            yield _deliveries(bench, servers, rounds=bench.rounds)


@contextmanager
def _cluster(replicas: int) -> Iterator[Servers]:
    with tempfile.TemporaryDirectory() as folder:
        servers = Servers(Path(folder), replicas=replicas)
        with servers.run():
            yield servers


@contextmanager
def _cache_on(servers: Servers) -> Iterator[None]:
    """CACHE of this process is the cluster."""
    address = cluster_of(servers.url)
    assert address is not None
    config = stores._valkey(address.url, pool="core.valkey.Pool")
    config["OPTIONS"] |= {
        "CONNECTION_FACTORY": "core.valkey.ClusterFactory",
        "CLUSTER_HOSTS": address.hosts,
    }
    with override_settings(CACHES={**stores.CACHES, "cache": config}):
        yield


def _processes(servers: Servers) -> list[psutil.Process]:
    return [psutil.Process(server.pid) for server in servers.processes.values()]


def _home(bench: Bench, servers: Servers) -> Figure:
    people = bench.population
    # The first read of each server builds the timeline. One that was stored without its end would
    # have each read look for older posts in SQL.
    with read_api(bench.stack, "read-api-on-cluster", CACHE_URL=servers.url) as server:
        home = bench.home(people.few, people.page)
        with cores_apart(bench.stack, [bench.read_api, server], beside=_processes(servers)):
            compared = compare(replace(home, server=server), home, times=bench.times)
    return Figure(
        "home timeline, CACHE on a cluster",
        compared.value,
        "us CPU",
        compared.n,
        reference=compared.reference,
        reference_name=ONE_SERVER,
        ratio=compared.ratio,
        at_most=1.3,
        note="three primaries",
    )


def _deliveries(bench: Bench, servers: Servers, rounds: int) -> Figure:
    """Deliveries for each second of CPU time, of the client and of all servers together."""
    audience = Audience.of(FOLLOWERS)
    with _cache_on(servers):
        posts = add_posts([audience.author_id], CAP)
        warm(audience.follower_ids, [(post_id, audience.author_id) for post_id in posts])
    shared = _processes(servers)

    def rate(processes: Sequence[psutil.Process]) -> float:
        before = sum(map(cpu_seconds, processes))
        client = audience.deliver().cpu
        return FOLLOWERS / (client + sum(map(cpu_seconds, processes)) - before)

    turns = []
    for _ in range(rounds + 1):
        with _cache_on(servers):
            mine = rate(shared)
        turns.append((mine, rate([bench.cache])))
    turns = turns[1:]  # the first one filled caches
    with_replicas = len(shared) > len(servers.primaries)
    return Figure(
        "fan-out a core, CACHE on a cluster" + (" with replicas" if with_replicas else ""),
        median(mine for mine, _ in turns),
        "deliveries/s",
        rounds * FOLLOWERS,
        reference=median(other for _, other in turns),
        reference_name=ONE_SERVER,
        ratio=median(mine / other for mine, other in turns),
        at_least=None if with_replicas else 0.8,
        note="three primaries; CPU time of the worker and all servers",
    )
