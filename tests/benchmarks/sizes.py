"""A warm home timeline's queries and round trips, and the memory of entries and records."""

from collections.abc import Iterator
from statistics import mean

from django.test import Client, override_settings

from core.valkey import cache_valkey
from devstack.layout import HOST
from posts.keys import record_key
from tests.benchmarks.figures import Figure
from tests.benchmarks.population import add_accounts, warm
from tests.benchmarks.requests import HOME, Bench
from tests.support.costs import counted
from timeline import store
from timeline.keys import home_key

TIMELINES, CAP = 100, 800


def sizes(bench: Bench) -> Iterator[Figure]:
    """The counts and the bytes."""
    people = bench.population
    shown = people.page
    client = Client(
        SERVER_NAME=HOST, headers={"authorization": f"Bearer {people.token(people.few)}"}
    )
    with override_settings(API_ROLE="read"):
        for _ in range(2):
            assert client.get(HOME).status_code == 200
        with counted() as costs:
            assert len(client.get(HOME).json()["results"]) == 20
    yield Figure("home timeline, warm: SQL", len(costs.statements), "queries", 1, at_most=0)
    yield Figure("home timeline, warm: Valkey", costs.round_trips, "round trips", 1, at_most=4)

    readers = add_accounts("sized_", TIMELINES)
    warm(readers, [(id_, people.few) for id_ in range(shown[0], shown[0] - CAP, -1)])
    entries, used = zip(*store.sizes(keys=[home_key(id_) for id_ in readers]), strict=True)
    assert set(entries) == {CAP}
    yield Figure(
        "Valkey memory of a timeline entry",
        sum(used) / sum(entries),
        "bytes",
        sum(entries),
        at_most=20,
        note=f"timelines of {CAP}, with their keys",
    )
    records = [cache_valkey().memory_usage(record_key(id_)) for id_ in shown]
    yield Figure(
        "Valkey memory of a post's record",
        mean(size for size in records if size),
        "bytes",
        len(shown),
        at_most=1600,
        note="with a picture and all previews",
    )
