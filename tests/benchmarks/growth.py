"""Whether a home read costs more as authors, the timeline and the tables grow.

The cost is the CPU of the web worker and of CACHE, in units of the bare DRF view, measured in turn
with it. A warm read does not use PostgreSQL. Of a cold read, the time in PostgreSQL is measured.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from statistics import median

from tests.benchmarks.figures import Figure, Series
from tests.benchmarks.population import add_older_posts, analyze, warm
from tests.benchmarks.requests import PAGE, Bench
from tests.benchmarks.servers import compare
from tests.support.costs import counted
from timeline.pages import home_page
from timeline.services import drop_home_timelines

TABLES = (10_000, 100_000, 1_000_000)
LENGTHS = (24, 200, 800)
FLAT = 1.3
COLD_READS = 50


def growth(bench: Bench) -> Iterator[Figure]:
    """The cost of a warm home read, large against small; then a cold read, when all is large."""
    people = bench.population
    page = people.page
    add_older_posts(people.members, TABLES[0])
    analyze()
    readers = {people.FEW: people.few, people.MANY: people.many}
    yield _flat(
        f"{people.MANY} authors followed, not {people.FEW}",
        "authors followed",
        {follows: _cost(bench, reader) for follows, reader in readers.items()},
    )

    costs = {}
    for reader, length in zip(people.readers, LENGTHS, strict=False):
        ids = [*page, *range(page[-1] - 1, page[-1] - 1 - (length - len(page)), -1)]
        warm([reader], [(id_, people.followed[0]) for id_ in ids])
        costs[length] = _cost(bench, reader)
    yield _flat(f"{LENGTHS[-1]} entries, not {LENGTHS[0]}", "entries of the timeline", costs)

    costs, there = {}, TABLES[0]
    for size in TABLES:
        if size > there:
            add_older_posts(people.members, size - there)
            analyze()
            there = size
        costs[size] = _cost(bench, people.few)
    yield _flat(f"{TABLES[-1]:,} posts, not {TABLES[0]:,}", "posts in the table", costs)
    yield _cold(bench)


def _cost(bench: Bench, user_id: int) -> float:
    """The cost of a warm first page, as a multiple of the bare DRF view's."""
    home = bench.home(user_id, bench.population.page)
    home = replace(home, server=replace(home.server, also=(bench.cache,)))
    return compare(home, bench.bare_drf, times=bench.times // 2).ratio


def _flat(what: str, of: str, costs: Mapping[int, float]) -> Figure:
    """The cost at the largest size against the smallest. `costs`: by size, smallest first."""
    small, *_, large = costs.values()
    return Figure(
        f"home read: {what}",
        large,
        "bare DRF views",
        1,
        reference=small,
        reference_name="the smaller",
        ratio=large / small,
        at_most=FLAT,
        series=Series(f"A home read, by {of}", of, "bare DRF views", costs),
    )


def _cold(bench: Bench) -> Figure:
    """The database time of a cold timeline's first page, as the client measures it."""
    people = bench.population
    read = partial(home_page, viewer_id=people.many, limit=PAGE)
    milliseconds = []
    for _ in range(COLD_READS):
        drop_home_timelines(user_ids=[people.many])
        with counted() as costs:
            page = read()
        assert len(page.documents) == PAGE
        assert costs.statements
        milliseconds.append(1000 * costs.sql_seconds)
    return Figure(
        "cold timeline read, database time",
        median(milliseconds),
        "ms",
        COLD_READS,
        at_most=15,
        note=f"{people.MANY} followed accounts, {TABLES[-1]:,} posts, "
        f"{len(costs.statements)} statements; maximum {max(milliseconds):.1f} ms",
    )
